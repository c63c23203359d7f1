#pragma once

#include <absl/base/thread_annotations.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <pthread.h>
#include <vector>

#include <muster/rendezvous/observer.h>
#include <muster/rendezvous/sync.h>
#include <muster/vcpu/kvm/system.h>
#include <muster/vcpu/run/start_state.h>
#include <muster/vcpu/run/vm.h>
#include <muster/vcpu/trace/event_ring.h>
#include <muster/vmm/device/access_counts.h>
#include <muster/vmm/device/gate_port.h>
#include <muster/vmm/device/irq_line.h>
#include <muster/vmm/load/boot_rom.h>
#include <muster/vmm/machine/ending.h>
#include <muster/vmm/machine/pc_devices.h>
#include <muster/vmm/machine/timer_thread.h>
#include <muster/vmm/machine/wake_ups.h>
#include <muster/vmm/memory/guest_memory.h>
#include <muster/vmm/wake/event_fd.h>

namespace muster::vmm {

struct MachineConfig {
  int cpus = 2;
  size_t trace_events = 0;  // per vCPU
  bool trace_rip = false;   // see vcpu::VmConfig

  // What the serial line and the debug console are connected to; in use until Finish.
  SerialPeer* serial = nullptr;

  // Loads the image anew into memory that it and others have written to, for a soft reset that
  // leads to the boot ROM. Without it such a reset ends the run. On the bootstrap processor's
  // thread, the others waiting for SIPI.
  std::function<absl::StatusOr<vcpu::StartState>(GuestMemory&)> reload;

  // Decides over the vCPUs that come to gates; outlives the machine. Null: there are no gates.
  GateKeeper* gates = nullptr;

  // Is told of meetings of vCPUs that last; outlives the Machine.
  rendezvous::Observer* observer = nullptr;
};

// A PC for small guests: vCPUs with a thread each, RAM, devices, one timer thread. Its user, on a
// thread that runs no vCPU, waits on news_fd() and calls Tend() until finished().
class Machine : private RunControl,
                private IrqSink,
                private vcpu::ExtIntSource,
                private vcpu::Vm::IdleObserver {
 public:
  // `memory` holds the image. The calling thread's signal mask becomes that of all threads here;
  // SIGUSR1 is blocked in it and SIGPIPE ignored.
  static absl::StatusOr<std::unique_ptr<Machine>> Create(const vcpu::System& system,
                                                         const MachineConfig& config,
                                                         GuestMemory memory,
                                                         const vcpu::StartState& start);
  ~Machine() override;

  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;

  // Starts the threads and with them the guest. On an error those that were started have ended.
  absl::Status Start();

  // Ends the run from outside. A run that has ended keeps its ending, but for a pass, the last of
  // whose output is lost. Any thread.
  void End(Ending ending) override;

  // Has the vCPUs and their clocks stand still; an error names those that did not within
  // `timeout_ns`. Both by the thread that calls Tend.
  absl::Status Pause(uint64_t timeout_ns);
  // An error: the guest goes on, but finds that time has passed.
  absl::Status Resume();

  // Lets nobody wait any longer for a reader of the guest's output.
  void HurryOutput() { devices_.HurryOutput(); }

  // A vCPU that its GateKeeper was told of goes on. Once for each Arrived; any thread.
  void LetGo(int cpu);

  // A descriptor that is readable when there is something for Tend to do.
  int news_fd() const { return news_.fd(); }
  // Finds out whether a CPU can ever run again, where all sleep. Each time that thread wakes.
  void Tend();
  // Every vCPU thread has stopped for good.
  bool finished() const { return live_.load(std::memory_order_acquire) == 0; }

  // Joins the threads and puts out what is left of the guest's output. After finished(), or after
  // End: waits then.
  void Finish();

  const GuestMemory& memory() const { return memory_; }
  PortBus& ports() { return devices_.ports(); }
  const AccessCounts& unknown_addresses() const { return unknown_addresses_; }
  const AccessCounts& unknown_msrs() const { return unknown_msrs_; }
  // Soft resets so far that led to the image's start.
  int restarts() const { return restarts_.load(std::memory_order_relaxed); }
  WakeUps wake_ups() const {
    return {.supervisor = tended_,
            .timer = timer_.wake_ups(),
            .input = devices_.input_wake_ups(),
            .output = devices_.output_wake_ups()};
  }
  uint64_t start_ns() const { return start_ns_; }
  uint64_t NowNs() { return timer_.NowNs(); }

  std::optional<Ending> ending() const;

  // How the vCPUs stand: those that answer within `timeout_ns` while the run goes on, all of them
  // after Finish.
  std::vector<vcpu::Inspection> Inspect(uint64_t timeout_ns);
  // Their last events, by vCPU; once finished().
  std::vector<std::vector<vcpu::Event>> Events() const;
  // All that crashed, by vCPU: others may before the first, which ending() has, stops them. Once
  // finished().
  std::vector<GuestFault> Faults() const;
  apic::IoApic IoApicState() const { return vm_->IoApicState(); }
  std::vector<vcpu::Event> OutsideEvents() { return vm_->OutsideEvents(); }

 private:
  // Each slot belongs to its thread until that has been joined.
  struct Cpu {
    Machine* machine = nullptr;
    int index = 0;
    pthread_t thread{};
    bool started = false;
    std::optional<vcpu::Inspection> last;
    std::vector<vcpu::Event> events;
    std::optional<GuestFault> fault;
  };

  Machine(const MachineConfig& config, GuestMemory memory);

  void SetLine(unsigned line, bool asserted) override;
  void IntrRaised() override { vm_->ExtIntRaised(); }
  bool Asserted() const override { return devices_.pics().Asserted(); }
  uint8_t Acknowledge(int) override { return devices_.pics().Acknowledge(); }
  void SoftReset() override;
  void AllAsleep() override;
  void Notify();

  static void* CpuMain(void* cpu);
  void RunCpu(Cpu& cpu);
  // False when this vCPU is done.
  bool Serve(int cpu, vcpu::Exit& exit);
  void ServePort(int cpu, const vcpu::PortExit& exit);
  // The boot ROM asks for the image. On the bootstrap processor's thread.
  void Restart();
  // On the vCPU's thread: whether it is the bootstrap processor and executes the boot ROM.
  bool IsInBootRom(int cpu);
  void ServeGate(int cpu, const vcpu::PortExit& exit);
  void ServeMmio(const vcpu::MmioExit& exit);
  void ServeMsr(const vcpu::MsrExit& exit);

  const MachineConfig config_;
  GuestMemory memory_;
  alignas(GuestMemory::kPage) BootRom::Page rom_ = BootRom::Contents();
  EventFd news_;
  AccessCounts unknown_addresses_;
  AccessCounts unknown_msrs_;
  TimerThread timer_;
  DeviceDeadline pit_deadline_, rtc_deadline_;
  PcDevices devices_;
  std::unique_ptr<vcpu::Vm> vm_;  // after what its vCPUs use
  std::vector<Cpu> cpus_;
  uint64_t start_ns_ = 0;
  bool joined_ = false;
  uint64_t tended_ = 0;
  std::optional<vcpu::Pause> pause_;

  std::atomic<int> live_{0};             // vCPU threads that have not stopped
  std::atomic<int> restarts_{0};         // relaxed: a statistic
  std::atomic<bool> all_asleep_{false};  // AllAsleep came, Tend has not looked yet
  mutable sync::Mutex mutex_;
  std::optional<Ending> ending_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace muster::vmm
