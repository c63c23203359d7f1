#pragma once

#include <absl/status/status.h>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <muster/apic/lapic.h>
#include <muster/vcpu/irq/fabric.h>
#include <muster/vcpu/irq/mailbox.h>
#include <muster/vcpu/kvm/reset_state.h>
#include <muster/vcpu/kvm/vcpu_handle.h>
#include <muster/vcpu/run/devices.h>
#include <muster/vcpu/run/doorbell.h>
#include <muster/vcpu/run/exit.h>
#include <muster/vcpu/run/inspection.h>
#include <muster/vcpu/run/run_state.h>
#include <muster/vcpu/run/session.h>
#include <muster/vcpu/run/start_state.h>
#include <muster/vcpu/run/stepper.h>
#include <muster/vcpu/trace/event_ring.h>

namespace muster::vcpu {

class Vcpu;
class VmCore;
struct VmConfig;

// One vCPU: KVM's part, its local APIC, its mail, and the loop that brings them together.
//
// Legend. [S] shared, any thread. Everything else belongs to the holder of the run lock, which is
// Doorbell's execution word: the thread inside Run, or a borrower while that thread is parked or
// absent.
class VcpuCore {
 public:
  VcpuCore(VmCore& vm, int cpu, VcpuHandle handle, const apic::LapicConfig& lapic,
           uint32_t signature, const VmConfig& config);

  int cpu() const { return cpu_; }
  VmCore& vm() const { return vm_; }

  // ---- the thread that drives the vCPU ----
  // See Vcpu.
  [[gnu::always_inline]] inline Exit Run();  // for Vcpu::Run() alone: in vcpu_core.cc
  Exit Run(Vcpu& vcpu, Devices& devices);
  absl::Status Send(const apic::Message& message);
  absl::Status SetLine(unsigned pin, bool asserted);
  absl::Status StartAgain(const StartState& start);
  absl::Status Hold();

  // ---- any thread ----
  void Post(uint8_t vector, apic::TriggerMode trigger);
  void PostNmi() { doorbell_.Ring(kRequestNmi); }
  void PostSmi();
  Doorbell& doorbell() { return doorbell_; }
  // A thread is inside Run(Devices&), maybe in a callback. Acquire: see ServedFlag.
  bool served() const { return served_.Load(std::memory_order_acquire); }
  // What the owner last told of itself, in a few words.
  std::string Describe() const;

  // ---- the holder of the run lock ----

  // INIT and SIPI change the models here and now, and leave KVM's registers to the owner: it
  // applies them before it enters the guest again. Called in a rendezvous function.
  void AcceptInit();
  void AcceptStartup(uint8_t vector);
  // Takes in what was posted: an entry of the I/O APIC is about to change.
  void AcceptMail();

  // Where this one begins. FailedPrecondition once it has entered the guest.
  absl::Status SetStart(const StartState& start);
  void AsFirmwareLeaves(bool x2apic);
  // Taken out of the Vm: no message, timer or wake of this life is left.
  void GoAway();
  // Added again, in wait-for-SIPI; messages do not find it yet. Its TSC's offset is that of the
  // others after so many pauses. `reads_tsc`: as ReadTsc. `ns` of NowIfRecorded: a lock is held.
  absl::Status ComeBack(std::optional<int64_t> tsc_offset, uint64_t pauses, bool reads_tsc,
                        uint64_t ns);
  // What a TSC deadline is converted with.
  absl::Status ReadTsc();
  // The end of the VM's pause number `pause`, of so many ticks that the guest's TSC is not to show.
  absl::Status GoOnAfterPause(uint64_t pause, uint64_t tsc_ticks);

  // A borrower may change the models: the vCPU is asleep, no exit is half done, and its caller has
  // nothing of it in hand. Else it would stand still while a device works for it.
  bool CanBeActedFor() const;
  // By what it has taken in, it has no reason to sleep.
  bool CouldRun() const;
  // Asleep, and nothing that it has or expects will wake it.
  bool AsleepForGood() const;

  Inspection Inspect();
  std::vector<Event> Events() const { return ring_.Snapshot(); }
  // This vCPU has sent `what` to `cpu`: the words of a kPost event. `ns`: as of Trace.
  void TracePost(uint64_t ns, uint64_t what, int cpu) {
    Trace(EventKind::kPost, what, static_cast<uint64_t>(cpu), ns);
  }

 private:
  // What the owner has to do to KVM's registers before the next entry.
  enum class Reset : uint8_t { kNone, kStart, kPowerUp, kInit, kStartup };

  bool bootstrap() const { return cpu_ == 0; }
  kvm_run& run() { return handle_.run(); }
  apic::Now Now();
  // `ns`: when, by the clock; 0: now, and no lock is held. Inline: off, it is one branch.
  void Trace(EventKind kind, uint64_t a = 0, uint64_t b = 0, uint64_t ns = 0) {
    if (ring_.enabled()) Record(kind, a, b, ns);
  }
  void Record(EventKind kind, uint64_t a, uint64_t b, uint64_t ns);
  bool Move(RunEvent event, uint64_t ns = 0);

  // What ends Run is written into its caller's own Exit, which is handed down: moved up from
  // function to function it would cost a hundredth of an exit. True: it has been.
  bool Fail(Exit& exit, absl::Status status);
  bool Fault(Exit& exit, GuestFaultExit::Kind kind, uint64_t detail,
             std::span<const uint8_t> bytes = {});

  // vcpu_core.cc: the loop. What every exit passes through has few levels of call: the kernel
  // leaves nothing of the processor's return stack, and each level is a return mispredicted.
  void RunOnce(Exit& exit);
  [[gnu::always_inline]] inline void RunOnceInline(Exit& exit);
  // Does `work` as the holder of the run lock, for a caller whose thread is outside.
  template <typename Work>
  absl::Status WhileLocked(Work&& work);
  // The same, after the standstill in which this vCPU is, if it is in one. VmConfig::observer is
  // told of that wait by `name`.
  template <typename Work>
  absl::Status WhenItMayGoOn(const char* name, Work&& work);
  // Held by a standstill, for the holder of its run lock; and where nobody has that.
  bool StandsStill() const;
  bool StandsOutside() const;
  [[gnu::always_inline]] inline void RunLocked(Exit& exit);
  // Where its caller's messages come from. A vCPU that has left the rendezvous can meet nobody.
  int Source() const { return state_ == RunState::kOffline ? kOutside : cpu_; }
  bool ServeRequests(uint32_t requests, Exit& exit);
  bool Meet(Exit& exit);
  [[gnu::always_inline]] inline bool EnterOnce(Exit& exit);
  // What a return of KVM_RUN means; true: an exit for the caller of Run.
  [[gnu::always_inline]] inline bool HandleExit(Exit& exit);
  [[gnu::always_inline]] inline void HandlePort(Exit& exit);
  // Completes the exit that KVM holds half done. It may turn into another exit.
  bool FinishExit(Exit& exit);
  // One KVM_RUN and the bookkeeping after it; returns its errno.
  int RunKvm() {
    const uint8_t cr8 = static_cast<uint8_t>(run().cr8);
    const int error = handle_.RunOnce();
    ++counters_.entries;
    half_done_ = left_half_done_ = false;
    stepper_.AfterRun(run());
    if (error == 0) trail_.exit_reason.Store(run().exit_reason, std::memory_order_relaxed);
    if (run().kvm_valid_regs & KVM_SYNC_X86_REGS) {
      trail_.rip.Store(run().s.regs.regs.rip, std::memory_order_relaxed);
    }
    // The guest's own MOV to CR8. CR8 has TPR[7:4] alone: what it did not change stays whole.
    if (run().cr8 != cr8) lapic_.SetCr8(static_cast<uint8_t>(run().cr8));
    return error;
  }
  // Whether the guest's next stretch comes before new mail, NMIs included. Taking it in costs an
  // entry or an exit, and whoever only sends would else keep the guest from ever running.
  bool MailWaits() const {
    return state_ == RunState::kRunning && !held_ && mail_rounds_ >= kMailRounds;
  }
  static constexpr uint32_t kMailRounds = 64;

  // sleep.cc
  void Sleep();
  bool CanTakeInterrupt() const { return CanTakeInterrupt(ExtIntWaits()); }
  bool CanTakeInterrupt(bool extint) const;
  // Whether the 8259 wants this vCPU to acknowledge; as last looked at.
  bool ExtIntWaits() const { return extint_mail_ || wire_; }
  // Whether its wire reaches this vCPU and is high.
  bool WireIsHigh() const;
  // Looks at the wire where it may be high.
  void LookAtWire() {
    if (wire_) wire_ = WireIsHigh();
  }

  // entry.cc: what to put into the guest.
  enum class Entry : uint8_t { kReady, kFinishFirst, kAgain, kFailed };
  Entry PrepareEntry(Exit& exit);
  Entry Failed(Exit& exit, absl::Status status);
  void Inject(uint8_t vector);
  bool InjectExtInt();
  void QueueInterrupt(uint8_t vector);
  void Poll();
  bool MaskedByTprOnly() const;

  // exits.cc
  bool HandleOtherExit(Exit& exit);  // any but KVM_EXIT_IO
  bool HandleDebug(Exit& exit);
  bool HandleMmio(Exit& exit);
  bool HandleOtherMmio(std::span<uint8_t> data, Exit& exit);
  bool HandleMsr(Exit& exit);
  bool HandleInternalError(Exit& exit);

  // apic_access.cc
  absl::Status Perform(const apic::Effects& effects);
  void TraceAccess(uint32_t reg, uint64_t value);
  void DrainMail();
  void AcceptExtInt();
  void PublishIdentity();
  void Discard(uint8_t vector, apic::TriggerMode trigger, uint64_t ns = 0);
  void ArmTimer();
  void NoteArmed(uint64_t deadline_ns);
  // The guest has written IA32_TSC or IA32_TSC_ADJUST: a deadline stays where it is.
  absl::Status MoveTsc(uint32_t msr, uint64_t value);
  absl::Status MirrorApicBase();

  // reset.cc
  absl::Status BeginAt(const StartState& start);
  absl::Status ApplyReset();
  void ForgetKvmState();
  // What is on its way to this life does not arrive in the next. `ns`: as of Trace.
  void ForgetPending(uint64_t ns = 0);

  VmCore& vm_;
  const int cpu_;
  const uint32_t signature_;  // CPUID.1:EAX
  VcpuHandle handle_;
  Doorbell doorbell_;                 // [S]
  Mailbox mailbox_;                   // [S]
  sync::Atomic<bool> served_{false};  // [S] a thread is inside Run(Devices&)
  sync::Atomic<uint64_t> smis_{0};    // [S] dropped
  // [S] For Describe. Relaxed everywhere: nothing is decided by it.
  struct Trail {
    sync::Atomic<RunState> state{RunState::kWaitForSipi};
    sync::Atomic<uint32_t> exit_reason{KVM_EXIT_UNKNOWN};
    sync::Atomic<uint64_t> rip{kNoRip};  // at the last exit that told it
  };
  static constexpr uint64_t kNoRip = UINT64_MAX;
  Trail trail_;
  KickMask kick_mask_;

  apic::Lapic lapic_;
  RunState state_;
  bool nmi_pending_ = false;
  bool extint_mail_ = false;  // an ExtINT message waits, or a HLT that the wire has completed
  // The 8259's wire reaches this vCPU and was high when last looked at; or may be, and is to be
  // looked at. False, a rise rings: kRequestWire.
  bool wire_ = false;
  bool acknowledging_ = false;  // this thread is in ExtIntSource::Acknowledge
  Reset reset_ = Reset::kNone;
  uint8_t startup_vector_ = 0;
  StartState start_;
  bool held_ = false;              // by Hold: does not enter the guest
  bool half_done_ = false;         // KVM waits for the outcome of an I/O, MMIO or MSR exit
  bool left_half_done_ = false;    // the same for one of an earlier life, which nobody has in hand
  bool apic_base_stale_ = false;   // KVM's copy of IA32_APIC_BASE
  uint32_t mail_rounds_ = 0;       // mail taken in since the guest's last exit of its own
  bool entered_ = false;           // KVM's registers mean something
  uint64_t poll_at_ = UINT64_MAX;  // when to look again at what this KVM does not tell, ns
  uint64_t armed_ = UINT64_MAX;    // deadline given to the Clock, ns
  int64_t tsc_offset_ = 0;
  uint64_t tsc_khz_ = 0;
  uint64_t pauses_ = 0;  // the VM's last one that its TSC was moved for, or set after; 0: of none
  Stepper stepper_;
  Counters counters_;
  EventRing ring_;
};

}  // namespace muster::vcpu
