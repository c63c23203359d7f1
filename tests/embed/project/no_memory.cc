// Memory runs out while a vCPU is looked at: nothing stays borrowed, and nobody waits for the look.
#include <cstdlib>
#include <new>
#include <thread>

#include "small_vm.h"

using namespace muster;

namespace {

// The next allocation of a thread that has set `fails_here`, once `fails`, is one too many.
thread_local bool fails_here = false;
std::atomic<bool> fails{false};

struct NoMemoryHere {
  NoMemoryHere() { fails_here = true; }
  ~NoMemoryHere() { fails_here = false; }
};

}  // namespace

void* operator new(std::size_t size) {
  if (fails_here && fails.exchange(false)) throw std::bad_alloc();
  if (void* const memory = std::malloc(size)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace {

void RunUntilStopped(vcpu::Vcpu& cpu) {
  while (!std::holds_alternative<vcpu::StoppedExit>(cpu.Run())) {
  }
}

void WhenMemoryRunsOut() {
  {
    SmallVm vm({0xfa, 0xf4}, {.cpus = 1, .trace_events = 64});
    std::thread runs([&] { RunUntilStopped(vm.cpu(0)); });
    const auto has_slept = [&] {
      const auto events = vm.cpu(0).Events();
      return events.ok() && !events->empty();
    };
    while (!has_slept()) std::this_thread::yield();
    bool thrown = false;
    fails = true;
    try {
      const NoMemoryHere none;
      (void)vm.cpu(0).Events();
    } catch (const std::bad_alloc&) {
      thrown = true;
    }
    CHECK(thrown);
    vm->Stop();
    runs.join();
  }
  // On the thread of the vCPU that is looked at, which is none the worse for it.
  SmallVm vm({0xeb, 0xfe}, {.cpus = 1, .trace_events = 64});
  std::thread runs([&] {
    const NoMemoryHere none;
    RunUntilStopped(vm.cpu(0));
  });
  while (vm.cpu(0).Inspect().ok()) std::this_thread::yield();  // not yet inside Run
  fails = true;
  (void)vm->InspectAll(10'000'000'000);
  CHECK(!fails);
  CHECK(vm->InspectAll(vcpu::Clock::kNever).size() == 1);
  vm->Stop();
  runs.join();
}

}  // namespace

int main() {
  WhenMemoryRunsOut();
  return 0;
}
