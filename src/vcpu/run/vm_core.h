#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <muster/rendezvous/rendezvous.h>
#include <muster/vcpu/irq/fabric.h>
#include <muster/vcpu/kvm/host_traits.h>
#include <muster/vcpu/kvm/memory_slots.h>
#include <muster/vcpu/kvm/probe_in.h>
#include <muster/vcpu/kvm/system.h>
#include <muster/vcpu/kvm/vm_handle.h>
#include <muster/vcpu/run/clock.h>
#include <muster/vcpu/run/pause.h>
#include <muster/vcpu/run/vcpu.h>
#include <muster/vcpu/run/vcpu_core.h>
#include <muster/vcpu/run/vm.h>

namespace muster::vcpu {

// What a Vm is made of, as its vCPUs see it: it joins them to the rendezvous and to the fabric.
class VmCore final : public rendezvous::Notifier, public MessageSink {
 public:
  VmCore(const System& system, const VmConfig& config, Clock& clock, VmHandle handle);
  ~VmCore() override;

  // Those of VmConfig::cpus.
  absl::Status AddVcpus();
  absl::Status AddVcpu(int cpu) ABSL_LOCKS_EXCLUDED(adding_mutex_);
  absl::Status RemoveVcpu(int cpu) ABSL_LOCKS_EXCLUDED(adding_mutex_);
  // Ends the stay of a vCPU that was told to leave, where no thread is inside Run.
  void FinishRemoval(int cpu);

  // Places; those that hold a vCPU are Present().
  int cpus() const { return std::max(config_.cpus, config_.max_cpus); }
  bool IsPresent(int cpu) const {
    // Acquire: the vCPU was made before the release in AddVcpu.
    return cpu >= 0 && cpu < cpus() &&
           places_[cpu].Load(std::memory_order_acquire) == Place::kTaken;
  }
  rendezvous::CpuSet Present() const;
  // There was one, which has been removed.
  bool HasLeft(int cpu) const {
    // Relaxed: nothing of the vCPU is looked at after this.
    return cpu >= 0 && places_[cpu].Load(std::memory_order_relaxed) == Place::kLeft;
  }
  static absl::Status NotThere(int cpu);
  // Null where there is none.
  VcpuCore* Find(int cpu) { return IsPresent(cpu) ? &core(cpu) : nullptr; }
  // Where vCPUs begin in x2APIC mode.
  bool x2apic() const { return config_.x2apic || cpus() > 255; }
  VcpuCore& core(int cpu) { return *cores_[static_cast<size_t>(cpu)]; }
  Vcpu& vcpu(int cpu) {
    return cpu >= 0 && cpu < cpus() ? vcpus_[static_cast<size_t>(cpu)] : nowhere_;
  }
  Clock& clock() { return clock_; }
  Fabric& fabric() { return fabric_; }
  MemorySlots& memory() { return memory_; }
  // By each vCPU before it first enters the guest.
  void SealMemory() { memory_.Seal(); }
  rendezvous::Rendezvous& rendezvous() { return rendezvous_; }

  // What this KVM does, found out when somebody first asks; rdtsc_obeys_offset is RdtscObeysOffset.
  const HostTraits& traits() ABSL_LOCKS_EXCLUDED(traits_mutex_);
  bool RdtscObeysOffset() ABSL_LOCKS_EXCLUDED(traits_mutex_);

  // By the owner of vCPU `source`, or kOutside.
  absl::Status SetLine(int source, unsigned pin, bool asserted);

  // Null where there are no 8259s.
  ExtIntSource* extint() const { return config_.extint; }
  void ExtIntRaised();
  // By a vCPU's owner that has published an identity: from here on Asserted() shows it each rise
  // that ExtIntRaised has not told it of.
  void SeeWire();

  // Any thread, with no lock held.
  void Log(Logger::Severity severity, std::string_view line) const {
    if (config_.logger != nullptr) config_.logger->Log(severity, line);
  }

  void Stop() ABSL_LOCKS_EXCLUDED(adding_mutex_);
  // What Stop left undone, in a callback on a thread that acts for a vCPU. By each such thread when
  // it does so no longer, and by who stops.
  void FinishStop() {
    // Relaxed: who was in that callback has stored it itself, and the others may be late.
    if (stop_unfinished_.Load(std::memory_order_relaxed)) [[unlikely]]
      TakeOutTheFree();
  }
  absl::StatusOr<vcpu::Pause> Pause(uint64_t timeout_ns);
  absl::Status ResumeClocks(rendezvous::Standstill& standstill, bool tsc_obeys, uint64_t host_tsc,
                            const absl::StatusOr<uint64_t>& kvmclock)
      ABSL_LOCKS_EXCLUDED(adding_mutex_);
  bool CanNeverRunAgain();
  std::vector<Event> OutsideEvents() ABSL_LOCKS_EXCLUDED(trace_mutex_);
  std::vector<Inspection> InspectAll(uint64_t timeout_ns);
  // Those of some vCPUs that could be looked at, ascending; an error where awake ones could not be
  // asked.
  struct Looks {
    std::vector<Inspection> seen;
    absl::Status status;
  };
  // `execute` has those look that are awake inside Run, until a time.
  using ExecuteLook = absl::FunctionRef<absl::StatusOr<rendezvous::Outcome>(
      rendezvous::CpuSet, absl::FunctionRef<void(int)> look, uint64_t until)>;
  Looks InspectBy(rendezvous::CpuSet cpus, uint64_t deadline, ExecuteLook execute);
  void SetIdleObserver(Vm::IdleObserver* observer) {
    // Release: who finds it finds what it was made of.
    observer_.Store(observer, std::memory_order_release);
  }

  // By the vCPUs' owners.
  void FellAsleep();
  // By the holder of a vCPU's run lock: the clock has a deadline of it now, or none any more.
  void TimerArmed(bool armed);
  void WokeUp();
  void Left(int cpu);

  // rendezvous::Notifier
  void Notify(int cpu) override;
  bool TryBorrow(int cpu) override;
  void GiveBack(int cpu) override;
  // No thread is inside the Run of `cpu` any more, which has been asked to meet.
  void Freed(int cpu);
  std::string Describe(int cpu) override;
  rendezvous::Entries EntriesOf(int cpu) override { return core(cpu).doorbell().entries(); }
  bool WakeIsLost(int cpu, bool all_stand) override;

  // MessageSink
  uint64_t NowIfRecorded() override {
    return config_.trace_events != 0 ? std::max<uint64_t>(clock_.NowNs(), 1) : 0;
  }
  void Post(const Origin& origin, int cpu, uint8_t vector, apic::TriggerMode trigger) override;
  void PostNmi(const Origin& origin, int cpu) override;
  void PostSmi(int cpu) override;
  void PostExtInt(const Origin& origin, int cpu) override;
  absl::Status Init(const Origin& origin, const rendezvous::CpuSet& targets) override;
  absl::Status Startup(const Origin& origin, const rendezvous::CpuSet& targets,
                       uint8_t vector) override;
  absl::Status TakeMail(const Origin& origin, const rendezvous::CpuSet& targets) override;

  // Held by whoever may ring others and is not in the run loop of a vCPU, which a stop ends: in
  // each call of a Vm or Vcpu that does not run it, and where a removal is finished. See
  // WakeIsLost.
  class Ringing {
   public:
    explicit Ringing(VmCore& vm) : vm_(vm) { vm_.ringing_.FetchAdd(1, std::memory_order_seq_cst); }
    ~Ringing() { vm_.ringing_.FetchSub(1, std::memory_order_seq_cst); }
    Ringing(const Ringing&) = delete;
    Ringing& operator=(const Ringing&) = delete;

   private:
    VmCore& vm_;
  };

 private:
  // What of ResumeClocks is KVM's.
  absl::Status SetClocks(rendezvous::Standstill& standstill, bool tsc_obeys, uint64_t host_tsc,
                         const absl::StatusOr<uint64_t>& kvmclock)
      ABSL_LOCKS_EXCLUDED(adding_mutex_);
  absl::Status Meet(const Origin& origin, const rendezvous::CpuSet& targets, const char* name,
                    absl::FunctionRef<void(int cpu)> function);
  absl::Status SetUpVcpu(VcpuHandle& handle, uint32_t& signature)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(adding_mutex_);
  absl::Status MakeCore(int cpu) ABSL_EXCLUSIVE_LOCKS_REQUIRED(adding_mutex_);
  absl::Status AddToPlace(int cpu, uint64_t now) ABSL_LOCKS_EXCLUDED(adding_mutex_);
  absl::Status BringBack(int cpu, uint64_t now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(adding_mutex_);
  // By the holder of its run lock: takes a vCPU out that was told to leave. True: it was, and the
  // holder calls FellAsleep when it has given it back.
  bool EndStay(int cpu);
  bool OffersTscDeadline() { return config_.tsc_deadline && traits().tsc_deadline_exits; }
  // `found`: why it is not known.
  HostTraits FindTraits(absl::Status& found) ABSL_EXCLUSIVE_LOCKS_REQUIRED(traits_mutex_);
  absl::Status MoveProber(int64_t ticks) ABSL_LOCKS_EXCLUDED(traits_mutex_);
  // Records a message in the ring of the vCPU that sends it, or in the outside's.
  void TracePost(const Origin& origin, int cpu, uint64_t vector) ABSL_LOCKS_EXCLUDED(trace_mutex_);
  // Inspects those of `cpus` whose thread is asleep or outside Run, and removes them.
  void InspectIdle(rendezvous::CpuSet& cpus, std::vector<Inspection>& into);

  const System& system_;
  const VmConfig config_;
  Clock& clock_;
  const VmHandle handle_;
  MemorySlots memory_;
  Fabric fabric_;
  // Has waits that last logged, and passes them on.
  class WaitLog final : public rendezvous::Observer {
   public:
    explicit WaitLog(const VmCore& vm) : vm_(vm) {}
    void Waits(const rendezvous::Wait& wait) override;

   private:
    const VmCore& vm_;
  };
  WaitLog wait_log_;
  rendezvous::Rendezvous rendezvous_;
  // One for each place, made when it is first needed; destroyed before what they refer to.
  std::vector<std::unique_ptr<VcpuCore>> cores_;
  std::vector<Vcpu> vcpus_;
  Vcpu nowhere_{*this, -1};  // what vcpu() gives for a number that has no place
  enum class Place : uint8_t { kEmpty, kTaken, kLeft };
  const std::unique_ptr<sync::Atomic<Place>[]> places_;

  // Orders the vCPUs that come, and what they have to be given of the others.
  sync::Mutex adding_mutex_;
  bool stopped_ ABSL_GUARDED_BY(adding_mutex_) = false;
  // By place: a vCPU that KVM has made, and nothing came of it yet.
  std::map<int, Fd> unfinished_ ABSL_GUARDED_BY(adding_mutex_);
  // Guest TSC minus host TSC, of vCPU 0 when it was made and moved by every pause since; none where
  // KVM does not tell.
  std::optional<int64_t> tsc_offset_ ABSL_GUARDED_BY(adding_mutex_);
  uint64_t pauses_ ABSL_GUARDED_BY(adding_mutex_) = 0;  // that it has been moved by

  sync::Atomic<Vm::IdleObserver*> observer_{nullptr};
  void TellAllAsleep();
  void TakeOutTheFree();
  sync::Atomic<bool> stop_unfinished_{false};
  alignas(64) sync::Atomic<int> ringing_{0};  // see Ringing
  alignas(64) sync::Atomic<int> awake_{0};    // vCPUs that are not parked
  sync::Atomic<int> armed_timers_{0};         // vCPUs of which the clock has a deadline

  sync::Atomic<uint64_t> wire_rises_{0};  // see ExtIntRaised

  sync::Mutex trace_mutex_;
  EventRing outside_ ABSL_GUARDED_BY(trace_mutex_);  // posts that no vCPU made

  sync::Atomic<const HostTraits*> traits_{nullptr};
  sync::Mutex traits_mutex_;
  std::optional<HostTraits> probed_ ABSL_GUARDED_BY(traits_mutex_);
  std::optional<VcpuHandle> prober_ ABSL_GUARDED_BY(traits_mutex_);  // see ProbeIn
  std::optional<bool> rdtsc_obeys_offset_ ABSL_GUARDED_BY(traits_mutex_);
};

}  // namespace muster::vcpu
