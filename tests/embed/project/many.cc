// many N: two VMs run side by side in one process; then N come and go, and leave nothing behind.
#include <algorithm>
#include <csignal>
#include <filesystem>
#include <malloc.h>
#include <thread>

#include "small_vm.h"

using namespace muster;

namespace {

size_t CountIn(const char* directory) {
  return static_cast<size_t>(std::distance(std::filesystem::directory_iterator(directory), {}));
}

// As the process sees itself.
struct Holdings {
  size_t descriptors = CountIn("/proc/self/fd");
  size_t threads = 0;
  size_t bytes = mallinfo2().uordblks;
  struct sigaction action;
  sigset_t blocked, pending;

  Holdings() {
    // KVM has a kernel thread of its own in a process with a VM.
    for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
      (void)task;
      ++threads;
    }
    sigaction(SIGUSR1, nullptr, &action);
    pthread_sigmask(SIG_BLOCK, nullptr, &blocked);
    sigpending(&pending);
  }
};

bool SameSet(const sigset_t& a, const sigset_t& b) {
  for (int signal = 1; signal < SIGRTMIN; ++signal) {
    if (sigismember(&a, signal) != sigismember(&b, signal)) return false;
  }
  return true;
}

// One life: runs on two threads, is interrupted, has a vCPU more for a while.
void Live() {
  SmallVm vm(OUT_FOR_EVER, {.cpus = 2, .max_cpus = 3});
  std::thread other([&] { (void)vm.cpu(1).Run(); });
  CHECK(std::holds_alternative<vcpu::PortExit>(vm.cpu(0).Run()));
  CHECK(vm->AddVcpu(2).ok());
  CHECK(std::holds_alternative<vcpu::PortExit>(vm.cpu(0).Run()));
  CHECK(vm->RemoveVcpu(2).ok());
  vm->Stop();
  other.join();
}

// Each with vCPU, exits and stop of its own, though they have the kick's signal in common.
void TwoSideBySide() {
  SmallVm first(OUT_FOR_EVER), second({0xe6, 0x20, 0xeb, 0xfc});
  const auto drive = [](SmallVm& vm, uint16_t port) {
    int seen = 0;
    for (;;) {
      const vcpu::Exit exit = vm.cpu(0).Run();
      const auto* out = std::get_if<vcpu::PortExit>(&exit);
      if (out == nullptr) break;
      CHECK(out->port == port);
      if (++seen == 2000) vm->Stop();
    }
    CHECK(seen == 2000);
  };
  std::thread other([&] { drive(second, 0x20); });
  drive(first, 0x10);
  other.join();
}

}  // namespace

int main(int argc, char** argv) {
  const int count = argc > 1 ? std::atoi(argv[1]) : 1000;
  // A KVM that is nested may not survive that the last VM goes again and again.
  SmallVm idle(OUT_FOR_EVER);
  TwoSideBySide();
  for (int i = 0; i < 20; ++i) Live();  // what is kept for good, by the C library too
  const Holdings before;
  for (int i = 0; i < count; ++i) Live();
  const Holdings after;
  CHECK(after.descriptors == before.descriptors);
  CHECK(after.threads <= before.threads);
  // A VM is some 100 KB: a thousandth of each would show.
  if (after.bytes > before.bytes + static_cast<size_t>(count) * 64) {
    std::cerr << before.bytes << " bytes before, " << after.bytes << " after\n";
    return 1;
  }
  CHECK(after.action.sa_handler == before.action.sa_handler);
  CHECK(SameSet(after.blocked, before.blocked) && SameSet(after.pending, before.pending));
  return 0;
}
