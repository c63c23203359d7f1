// foreign IMAGE CPUS [LATER]: a VMM of another shape than muster. Its main thread is one epoll loop
// that owns the timers, the devices' interrupts, pauses, and the vCPUs that come and go; /dev/kvm,
// the VM and the memory slots are its own. The guest is told of LATER CPUs more. Ends with the
// guest's status; prints what the guest does.
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <deque>
#include <fcntl.h>
#include <iostream>
#include <linux/kvm.h>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/timerfd.h>
#include <thread>
#include <unistd.h>

#include <muster/vcpu/kvm/memory_slots.h>
#include <muster/vcpu/kvm/system.h>
#include <muster/vcpu/run/vcpu.h>
#include <muster/vcpu/run/vm.h>

#include "host_port.h"
#include "image.h"

using namespace muster;

namespace {

[[noreturn]] void Die(const std::string& why) {
  std::cerr << "foreign: " << why << "\n";
  std::_Exit(9);
}

void Must(const absl::Status& status, const char* what) {
  if (!status.ok()) Die(std::string(what) + ": " + status.ToString());
}

void Check(bool holds, const char* what) {
  if (!holds) Die(std::string(what) + " does not hold");
}

class Host : public vcpu::Clock, public vcpu::Devices, public vcpu::Logger {
 public:
  Host(std::string image, int cpus, int later)
      : image_(std::move(image)), cpus_(cpus), told_(cpus + later) {}

  int Run();

  // Clock: one timer of the loop's for all vCPUs.
  uint64_t NowNs() override {
    timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
  }
  void Arm(int cpu, uint64_t deadline_ns) override {
    std::lock_guard lock(mutex_);
    deadlines_[cpu] = deadline_ns;
    SetTimer();
  }

  void Log(Severity, std::string_view) override { ++logged_; }

  Then Port(vcpu::Vcpu& vcpu, const vcpu::PortExit& exit) override;
  Then Mmio(vcpu::Vcpu&, const vcpu::MmioExit& exit) override {
    if (!exit.is_write) std::memset(exit.data.data(), 0xff, exit.data.size());
    return Then::kGoOn;
  }
  Then Msr(vcpu::Vcpu&, const vcpu::MsrExit&) override { return Then::kGoOn; }

 private:
  static constexpr size_t kLow = 32 << 20, kHigh = 2 << 20;
  // The kick need not be the usual signal, nor be known to the threads.
  static constexpr int kKick = SIGURG;
  static constexpr int kHang = 90'000;  // ms without news or timer: no expectation of speed

  void MakeVm();
  void StartVcpu(int cpu);
  void End(int status);
  void Do(uint32_t command);
  void Answer(uint32_t value);
  void Expire();
  void PauseOnce();
  void Reset(vcpu::Vcpu& vcpu);
  [[noreturn]] void Hang();
  void SetTimer();  // with mutex_
  uint32_t& Word(uint32_t gpa) { return *reinterpret_cast<uint32_t*>(low_ + gpa); }

  const std::string image_;
  const int cpus_;
  const int told_;
  int kvm_ = -1, vm_fd_ = -1, timer_ = -1, news_ = -1;
  uint8_t *low_ = nullptr, *high_ = nullptr;
  std::optional<vcpu::System> system_;
  std::unique_ptr<vcpu::Vm> vm_;
  std::map<int, std::thread> threads_;
  std::atomic<int> logged_{0};

  std::mutex mutex_;
  std::condition_variable answered_;
  std::map<int, uint64_t> deadlines_;
  std::deque<uint32_t> commands_;
  bool asked_ = false;
  uint32_t answer_ = 0;
  int ended_ = -1;
  std::vector<uint32_t> addresses_;
  int resets_ = 0;
  std::string fw_cfg_[2];
  size_t item_ = 0, next_ = 0;
  std::string serial_;
};

void Host::MakeVm() {
  kvm_ = open("/dev/kvm", O_RDWR | O_CLOEXEC);
  if (kvm_ < 0) {
    std::cerr << "skipped: no /dev/kvm\n";
    std::_Exit(77);
  }
  vm_fd_ = ioctl(kvm_, KVM_CREATE_VM, 0);
  Check(vm_fd_ >= 0, "KVM_CREATE_VM");
  auto system = vcpu::System::Adopt(kvm_);
  Must(system.status(), "System::Adopt");
  system_ = *std::move(system);
  vcpu::VmConfig config;
  config.cpus = cpus_;
  config.max_cpus = told_;
  config.vm_fd = vm_fd_;
  config.kick_signal = kKick;
  config.tsc_deadline = true;
  config.logger = this;
  auto vm = vcpu::Vm::Create(*system_, config, *this);
  Must(vm.status(), "Vm::Create");
  vm_ = *std::move(vm);
  // Its own slots, of which it tells; and one that the library makes.
  low_ = static_cast<uint8_t*>(
      mmap(nullptr, kLow, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  high_ = static_cast<uint8_t*>(
      mmap(nullptr, kHigh, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  kvm_userspace_memory_region region{};
  region.slot = 17;
  region.memory_size = kLow;
  region.userspace_addr = reinterpret_cast<uintptr_t>(low_);
  Check(ioctl(vm_fd_, KVM_SET_USER_MEMORY_REGION, &region) == 0, "a slot of the host's own");
  Must(vm_->memory().Note(0, {low_, kLow}), "Note");
  Must(vm_->memory().Add(kHighMemory, {high_, kHigh}), "Add");
  Check(!vm_->memory().Note(kLow / 2, {low_, kLow}).ok(), "that memory is noted once");
  Must(vm_->SetStart(LoadImage(image_, "", {low_, kLow})), "SetStart");
}

void Host::StartVcpu(int cpu) {
  threads_[cpu] = std::thread([this, cpu] {
    sigset_t before, after;
    pthread_sigmask(SIG_BLOCK, nullptr, &before);
    const vcpu::Exit exit = vm_->vcpu(cpu).Run(*this);
    pthread_sigmask(SIG_BLOCK, nullptr, &after);
    for (int signal = 1; signal < SIGRTMIN; ++signal) {
      Check(sigismember(&before, signal) == sigismember(&after, signal), "that a mask stays");
    }
    if (std::holds_alternative<vcpu::StoppedExit>(exit)) return;
    if (const auto* error = std::get_if<vcpu::HostErrorExit>(&exit)) {
      std::cerr << "vCPU " << cpu << ": " << error->status << "\n";
    } else {
      std::cerr << "vCPU " << cpu << ": the guest's fault\n";
    }
    End(8);
  });
}

void Host::End(int status) {
  {
    std::lock_guard lock(mutex_);
    if (ended_ < 0) ended_ = status;
    answered_.notify_all();
  }
  vm_->Stop();
  eventfd_write(news_, 1);
}

void Host::SetTimer() {
  uint64_t next = kNever;
  for (const auto& [cpu, deadline] : deadlines_) next = std::min(next, deadline);
  itimerspec to{};
  if (next != kNever) {
    to.it_value.tv_sec = static_cast<time_t>(next / 1'000'000'000);
    to.it_value.tv_nsec = static_cast<long>(next % 1'000'000'000) | 1;
  }
  timerfd_settime(timer_, TFD_TIMER_ABSTIME, &to, nullptr);
}

void Host::Expire() {
  std::vector<int> due;
  {
    std::lock_guard lock(mutex_);
    for (auto& [cpu, deadline] : deadlines_) {
      if (deadline > NowNs()) continue;
      deadline = kNever;
      due.push_back(cpu);
    }
    SetTimer();
  }
  for (int cpu : due) vm_->TimerExpired(cpu);
}

void Host::Answer(uint32_t value) {
  std::lock_guard lock(mutex_);
  asked_ = false;
  answer_ = value;
  answered_.notify_all();
}

// In the loop.
void Host::Do(uint32_t command) {
  uint32_t answer = 0;
  switch (command) {
    case kHostCountsResets:
      answer = static_cast<uint32_t>(resets_);
      break;
    case kHostDoubles:
      *reinterpret_cast<uint64_t*>(high_) *= 2;
      break;
    case kHostAdds:
      Must(vm_->AddVcpu(cpus_), "AddVcpu");
      Check(absl::IsAlreadyExists(vm_->AddVcpu(cpus_)), "that a vCPU is added once");
      StartVcpu(cpus_);
      answer = static_cast<uint32_t>(cpus_);
      break;
    case kHostRemoves:
      Must(vm_->RemoveVcpu(cpus_), "RemoveVcpu");
      threads_[cpus_].join();
      threads_.erase(cpus_);
      Check(!vm_->HasVcpu(cpus_), "that it is gone");
      Check(absl::IsNotFound(vm_->RemoveVcpu(cpus_)), "that it is removed once");
      break;
    case kHostSendsMsi:
      Must(vm_->SendMsi({.address = 0xfee00000, .data = kHostVector}), "SendMsi");
      break;
    case kHostPauses:
      Answer(0);
      for (int i = 0; i < 3; ++i) PauseOnce();
      return;
    default:
      Die("an unknown command");
  }
  Answer(answer);
}

void Host::PauseOnce() {
  // The guest goes on counting, and only then is stopped.
  std::atomic_ref<uint32_t> ticks(Word(addresses_.at(0)));
  for (const uint32_t from = ticks; ticks == from;) std::this_thread::yield();
  {
    auto pause = vm_->Pause(60'000'000'000);
    Must(pause.status(), "Pause");
    const uint32_t stands_at = ticks;
    for (int i = 0; i < 100; ++i) std::this_thread::yield();
    usleep(2000);
    Check(ticks == stands_at, "that a paused guest stands");
    Must(pause->Resume(), "Resume");
  }
  std::atomic_ref<uint32_t>(Word(addresses_.at(1))) += 1;
}

// On vCPU 0's thread, in its callback.
void Host::Reset(vcpu::Vcpu& vcpu) {
  ++resets_;
  Must(vcpu.SendMessage(
           {.destination = UINT32_MAX, .x2apic = true, .delivery_mode = apic::DeliveryMode::kInit}),
       "INIT to all");
  Must(vcpu.StartAgain(LoadImage(image_, "", {low_, kLow})), "StartAgain");
}

vcpu::Devices::Then Host::Port(vcpu::Vcpu& vcpu, const vcpu::PortExit& exit) {
  uint8_t* const data = exit.data.data();
  if (!exit.is_write) std::memset(data, 0xff, exit.data.size());
  uint32_t value = 0;
  std::memcpy(&value, data, std::min<size_t>(exit.size, sizeof(value)));
  if (exit.port == kHostPort && exit.is_write && value == kHostResets) {
    Check(vcpu.index() == 0, "that CPU 0 resets");
    Reset(vcpu);
  } else if (exit.port == kHostPort && exit.is_write) {
    std::lock_guard lock(mutex_);
    commands_.push_back(value);
    asked_ = true;
    eventfd_write(news_, 1);
  } else if (exit.port == kHostPort) {
    std::unique_lock lock(mutex_);
    answered_.wait(lock, [this] { return !asked_ || ended_ >= 0; });
    std::memcpy(data, &answer_, exit.size);
  } else if (exit.port == kHostAddressPort && exit.is_write) {
    std::lock_guard lock(mutex_);
    addresses_.push_back(value);
  } else if (exit.port == 0x604 && exit.is_write) {
    End(0);
  } else if (exit.port == 0xf4 && exit.is_write) {
    End(static_cast<int>(value << 1 | 1) & 0xff);
  } else {
    std::lock_guard lock(mutex_);
    if (exit.port == 0x3f8 && exit.is_write) {
      serial_.append(reinterpret_cast<char*>(data), exit.count);
    } else if (exit.port == 0x3fd && !exit.is_write) {
      *data = 0x60;
    } else if (exit.port == 0x510 && exit.is_write) {
      item_ = value == 5 ? 1 : 0;
      next_ = 0;
    } else if (exit.port == 0x511 && !exit.is_write) {
      *data = next_ < fw_cfg_[item_].size() ? static_cast<uint8_t>(fw_cfg_[item_][next_++]) : 0;
    }
  }
  return Then::kGoOn;
}

void Host::Hang() {
  std::cerr << serial_;
  for (const vcpu::Inspection& seen : vm_->InspectAll(1'000'000'000)) {
    std::cerr << "vCPU " << seen.cpu << ": " << ToString(seen.state) << ", rip " << std::hex
              << seen.rip << std::dec << ", INITs " << seen.counters.inits << ", SIPIs "
              << seen.counters.startups << ", dropped " << seen.counters.startups_dropped << "\n";
  }
  Die("nothing has happened for long");
}

int Host::Run() {
  fw_cfg_[0] = "QEMU";
  fw_cfg_[1] = {static_cast<char>(told_), static_cast<char>(told_ >> 8)};
  timer_ = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
  news_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  const int loop = epoll_create1(EPOLL_CLOEXEC);
  for (const int fd : {timer_, news_}) {
    epoll_event interest{};
    interest.events = EPOLLIN;
    interest.data.fd = fd;
    epoll_ctl(loop, EPOLL_CTL_ADD, fd, &interest);
  }
  MakeVm();
  for (int cpu = cpus_ - 1; cpu >= 0; --cpu) StartVcpu(cpu);

  int status = -1;
  while (status < 0) {
    epoll_event event{};
    const int ready = epoll_wait(loop, &event, 1, kHang);
    if (ready == 0) Hang();
    if (ready != 1) continue;
    uint64_t count = 0;
    if (read(event.data.fd, &count, sizeof(count)) < 0) continue;
    if (event.data.fd == timer_) Expire();
    for (;;) {
      uint32_t command = 0;
      {
        std::lock_guard lock(mutex_);
        status = ended_;
        if (commands_.empty()) break;
        command = commands_.front();
        commands_.pop_front();
      }
      Do(command);
    }
  }
  for (auto& [cpu, thread] : threads_) thread.join();
  sigset_t pending;
  sigpending(&pending);
  Check(sigismember(&pending, kKick) == 0, "that no kick is left");
  vm_.reset();
  system_.reset();
  // Both are still the host's.
  Check(ioctl(kvm_, KVM_GET_API_VERSION, 0) == KVM_API_VERSION, "that /dev/kvm is open");
  Check(ioctl(vm_fd_, KVM_CHECK_EXTENSION, KVM_CAP_USER_MEMORY) > 0, "that the VM is open");
  std::cout << serial_;
  for (const int fd : {vm_fd_, kvm_, timer_, news_, loop}) close(fd);
  return status;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  return Host(argv[1], std::atoi(argv[2]), argc > 3 ? std::atoi(argv[3]) : 0).Run();
}
