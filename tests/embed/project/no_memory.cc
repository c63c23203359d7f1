// Memory runs out while a vCPU is looked at: nothing stays borrowed, and nobody waits for the look.
// While one is added: it can be added later, though KVM makes each vCPU once. While all are paused:
// they can be, later.
#include <cstdlib>
#include <new>
#include <thread>

#include "small_vm.h"

using namespace muster;

namespace {

// How many allocations of this thread still succeed; negative: all do.
thread_local long allocations_left = -1;

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
  if (allocations_left >= 0 && allocations_left-- == 0) throw std::bad_alloc();
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

// Makes `call` with memory for 0, 1, 2... allocations until it needs no more, and then `after`
// each. Returns how often memory ran out.
template <typename Call, typename After>
int WithLittleMemory(Call call, After after) {
  for (int allocations = 0;; ++allocations) {
    SmallVm vm({0xfa, 0xf4}, {.cpus = 1, .max_cpus = 2});
    bool thrown = false;
    allocations_left = allocations;
    try {
      call(vm);
    } catch (const std::bad_alloc&) {
      thrown = true;
    }
    allocations_left = -1;
    after(vm, thrown);
    if (!thrown) return allocations;
  }
}

void ThenItCanBeDoneLater() {
  const int added = WithLittleMemory([](SmallVm& vm) { CHECK(vm->AddVcpu(1).ok()); },
                                     [](SmallVm& vm, bool thrown) {
                                       CHECK(vm->HasVcpu(1) != thrown);
                                       CHECK(vm->HasVcpu(1) || vm->AddVcpu(1).ok());
                                     });
  CHECK(added > 3);
  const int paused = WithLittleMemory([](SmallVm& vm) { CHECK(!vm->Pause(1'000'000).ok()); },
                                      [](SmallVm& vm, bool) {
                                        std::thread runs([&] { RunUntilStopped(vm.cpu(0)); });
                                        CHECK(vm->Pause(vcpu::Clock::kNever).ok());
                                        vm->Stop();
                                        runs.join();
                                      });
  CHECK(paused > 3);
}

}  // namespace

int main() {
  WhenMemoryRunsOut();
  ThenItCanBeDoneLater();
  return 0;
}
