#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <csignal>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include <muster/apic/ioapic.h>
#include <muster/apic/message.h>
#include <muster/apic/msi.h>
#include <muster/rendezvous/call.h>
#include <muster/rendezvous/observer.h>
#include <muster/vcpu/kvm/host_traits.h>
#include <muster/vcpu/run/clock.h>
#include <muster/vcpu/run/exit.h>
#include <muster/vcpu/run/extint.h>
#include <muster/vcpu/run/inspection.h>
#include <muster/vcpu/run/logger.h>
#include <muster/vcpu/run/pause.h>
#include <muster/vcpu/run/start_state.h>
#include <muster/vcpu/trace/event_ring.h>

namespace muster::vcpu {

class MemorySlots;  // <muster/vcpu/kvm/memory_slots.h>
class System;       // <muster/vcpu/kvm/system.h>
class Vcpu;         // <muster/vcpu/run/vcpu.h>
class VmCore;

// What a Vm is made of; the defaults are one vCPU on a Vm of its own.
struct VmConfig {
  int cpus = 1;      // 1 to 1,024; vCPU 0 is the bootstrap processor, APIC ids are the numbers
  int max_cpus = 0;  // room for those that Vm::AddVcpu adds; less than `cpus`: none

  // A VM of the caller's (KVM_CREATE_VM), with no vCPU and no in-kernel interrupt controller; the
  // Vm keeps a duplicate. MSR filter, KVM_CAP_X86_USER_SPACE_MSR and vCPUs are this library's from
  // here on. -1: the Vm makes one.
  int vm_fd = -1;

  // Interrupts KVM_RUN. No handler is installed: Run keeps it blocked in its thread, lets
  // KVM_RUN alone see it (KVM_SET_SIGNAL_MASK), and leaves none pending behind. It is for nothing
  // else: one that somebody sends to the process may be taken for a kick, and swallowed. Not a
  // real-time signal, of which many would queue, nor one that a fault raises.
  int kick_signal = SIGUSR1;
  // A promise, which spares each Run a system call: every thread that calls Run, or what belongs
  // between two Runs, has that signal blocked and does not change its signal mask any more. One
  // that has it unblocked when it first calls gets FailedPrecondition; one that unblocks it later
  // is exposed to kicks.
  bool kick_stays_blocked = false;

  // All vCPUs begin in x2APIC mode, as firmware leaves them; forced where an id exceeds 254.
  bool x2apic = false;

  // Its page is FEC00000.
  apic::IoApicConfig ioapic = {};

  // The machine's 8259s; outlives the Vm. Null: there are none, and ExtINT messages are discarded.
  ExtIntSource* extint = nullptr;

  // Offers the guest the timer's TSC-deadline mode, where HostTraits::tsc_deadline_exits.
  bool tsc_deadline = false;

  // What this KVM does. Without a value, it is found out when there is a need to know, as for
  // tsc_deadline there is at once. A wrong value costs time: interrupts that come late, where it
  // claims what KVM does not do.
  std::optional<HostTraits> traits = std::nullopt;

  size_t trace_events = 0;  // per vCPU; 0: no event is recorded
  bool trace_rip = false;   // events say where the vCPU stood; a small cost at each exit

  // Is told of calls between vCPUs (INIT, SIPI, a change of routing, a pause) that wait longer than
  // that, and of a Vcpu::Hold or StartAgain that a pause keeps waiting so; so is the logger, in a
  // line. With either, each exit also fetches the registers, for a RIP to tell: a small cost where
  // KVM does not emulate. Outlives the Vm.
  rendezvous::Observer* observer = nullptr;
  uint64_t report_waits_after_ns = 1'000'000'000;

  Logger* logger = nullptr;  // outlives the Vm
};

// A virtual machine's vCPUs, APICs and rendezvous. Memory, devices, threads and time are its
// user's. Thread-safe unless said otherwise.
class Vm {
 public:
  // Errors name the ioctl, errno and vCPU. `clock` outlives the Vm.
  static absl::StatusOr<std::unique_ptr<Vm>> Create(const System& system, const VmConfig& config,
                                                    Clock& clock);
  ~Vm();  // No thread may be inside Run.

  Vm(const Vm&) = delete;
  Vm& operator=(const Vm&) = delete;

  // Places for vCPUs: the greater of VmConfig's cpus and max_cpus. Not all need hold one.
  int cpus() const;
  // 0 to cpus() - 1. Of any other number it is one that is not there: index() is -1, and calls of
  // it get NotFound.
  Vcpu& vcpu(int cpu);

  // vCPU `cpu`, which is not there, joins: in wait-for-SIPI, its local APIC as firmware leaves it.
  // Its thread may then call Run; during a Pause it stands still at once. AlreadyExists where it is
  // there, InvalidArgument where there is no room for it, FailedPrecondition after Stop, or while a
  // thread is still inside Run of its earlier life, or in a callback. Never waits for a vCPU.
  absl::Status AddVcpu(int cpu);

  // Takes `cpu` away: Run returns StoppedExit::removed, at once or when a Pause ends, after which
  // no message names it. KVM's part of it stays, for AddVcpu. NotFound where it is not there,
  // InvalidArgument for the bootstrap processor. Never waits for a vCPU.
  absl::Status RemoveVcpu(int cpu);

  // Whether there is a vCPU `cpu`: an answer that may be old when it comes.
  bool HasVcpu(int cpu) const;

  // Guest-physical memory; what is added after a vCPU has run is refused.
  MemorySlots& memory();

  // Where the bootstrap processor begins. FailedPrecondition after its first Run: later it is
  // Vcpu::StartAgain. InvalidArgument: it breaks a rule of its mode (see StartState).
  absl::Status SetStart(const StartState& start);

  // Called by the Clock's owner, any thread, when vCPU `cpu`'s deadline has passed. Of a vCPU that
  // is not there it is ignored.
  void TimerExpired(int cpu);

  // An interrupt message from a device: an MSI, or an interrupt, NMI, INIT or SIPI from outside the
  // vCPUs. INIT and SIPI wait for their targets; the others never wait. In a pause as well: a vCPU
  // finds what came when it goes on. InvalidArgument: the delivery mode is reserved.
  absl::Status SendMessage(const apic::Message& message);

  // The same for what a device writes to an address. InvalidArgument where that is none of MSIs.
  // The data are the guest's, and no error where they send nothing: see apic::ToMessage.
  absl::Status SendMsi(const apic::Msi& msi);

  // A device's line to the I/O APIC. InvalidArgument where there is no such pin.
  absl::Status SetLine(unsigned pin, bool asserted);
  // VmConfig::extint's wire has risen: to be called after each rise, so that a vCPU that it reaches
  // looks at it. A fall needs no call. Any thread; never waits.
  void ExtIntRaised();
  // The I/O APIC as it stands.
  apic::IoApic IoApicState() const;

  // Of the meetings of vCPUs; its defects are 0 whatever happens.
  rendezvous::Counters meeting_counters() const;

  // Has all vCPUs stand still, outside the guest, inside Run or asleep, and the guest's clocks with
  // them. DeadlineExceeded: the message names those that did not, for instance because their thread
  // is outside Run, and all go on.
  absl::StatusOr<vcpu::Pause> Pause(uint64_t timeout_ns);

  // Makes every Run return StoppedExit, now and from here on; during a Pause, when that ends.
  void Stop();

  // Every vCPU, each at a moment of its own. Those that have not answered after `timeout_ns` are
  // missing; one that is in its caller's hands, outside Run, is looked at there. During a Pause:
  // Pause::InspectAll.
  std::vector<Inspection> InspectAll(uint64_t timeout_ns);

  // True when no vCPU can ever run again by itself: each is halted or waits for SIPI with nothing
  // deliverable, nothing in the mail and no timer armed. Only something outside the vCPUs could
  // wake them. Exact, not sampled, at the moment of the call. A vCPU whose Run has returned an exit
  // is in its caller's hands, and counts as one that may run, even if it is offline.
  bool CanNeverRunAgain();

  // The last messages that came from no vCPU, oldest first (see VmConfig::trace_events).
  std::vector<Event> OutsideEvents();

  // Called, with no lock held, each time all vCPUs have come to be asleep with no timer armed: by
  // the last that fell asleep, or by who disarmed the last timer. The callee may call
  // CanNeverRunAgain() from another thread.
  class IdleObserver {
   public:
    virtual ~IdleObserver() = default;
    virtual void AllAsleep() = 0;  // throws nothing
  };
  // Who is called from here on; null: nobody. The one before may be in a call that has begun.
  void SetIdleObserver(IdleObserver* observer);

 private:
  explicit Vm(std::unique_ptr<VmCore> core);

  std::unique_ptr<VmCore> core_;
};

}  // namespace muster::vcpu
