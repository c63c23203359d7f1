// Creations of the C interface that fail, for want of memory or of descriptors: they leave nothing
// behind, and the next one works.
#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <new>
#include <sys/resource.h>
#include <unistd.h>

#include "c/small_vm.h"

namespace {

// Of this thread's next allocations so many succeed, and then one does not; -1: all do.
thread_local int succeed = -1;
thread_local bool failed = false;
std::atomic<int> blocks{0};  // allocated and not freed

void* Allocate(std::size_t size, std::size_t alignment) {
  if (succeed >= 0 && succeed-- == 0) {
    failed = true;
    throw std::bad_alloc();
  }
  void* const memory =
      std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
  if (memory == nullptr) throw std::bad_alloc();
  ++blocks;
  return memory;
}

void Free(void* memory) {
  if (memory != nullptr) --blocks;
  std::free(memory);
}

}  // namespace

void* operator new(std::size_t size) { return Allocate(size, alignof(std::max_align_t)); }
void* operator new(std::size_t size, std::align_val_t alignment) {
  return Allocate(size, static_cast<std::size_t>(alignment));
}
void operator delete(void* memory) noexcept { Free(memory); }
void operator delete(void* memory, std::size_t) noexcept { Free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { Free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { Free(memory); }

namespace {

uint8_t* ram = nullptr;

muster_config Config() {
  muster_config config = SmallConfig();
  config.cpus = 2;
  config.max_cpus = 3;
  config.tsc_deadline = 1;  // what this KVM does is looked up, with a vCPU more
  config.log = [](void*, int32_t, const char*) {};
  return config;
}

// As the process sees itself.
struct Holdings {
  static int CountIn(const char* directory) {
    return static_cast<int>(std::distance(std::filesystem::directory_iterator(directory), {}));
  }
  int blocks_now = blocks;
  int descriptors = CountIn("/proc/self/fd");
  int threads = CountIn("/proc/self/task");
  bool operator==(const Holdings&) const = default;
};

muster_vm* Made() {
  const muster_config config = Config();
  return SmallVm(&config, ram, MUSTER_START_PROTECTED32);
}

void RunOnce(muster_vm* vm) {
  muster_exit exit;
  DONE(muster_vcpu_run(vm, 0, nullptr, &exit, &error));
  CHECK(exit.kind == MUSTER_EXIT_PORT);
}

void OneLives() {
  muster_vm* const vm = Made();
  RunOnce(vm);
  DONE(muster_vm_destroy(vm, &error));
}

// A creation that may have failed. Returns whether it has.
bool Create() {
  const muster_config config = Config();
  muster_error error{};
  muster_vm* vm = reinterpret_cast<muster_vm*>(&error);
  const int32_t code = muster_vm_create(&config, &vm, &error);
  succeed = -1;
  if (code == MUSTER_OK) {
    DONE(muster_vm_destroy(vm, &error));
    return false;
  }
  if (code != MUSTER_RESOURCE_EXHAUSTED) std::fprintf(stderr, "%d: %s\n", code, error.message);
  CHECK(code == MUSTER_RESOURCE_EXHAUSTED && vm == nullptr);
  return true;
}

void WhenMemoryRunsOutInACreation() {
  int places = 0, failures = 0;
  do {
    const Holdings before;
    failed = false;
    succeed = places;
    failures += Create() ? 1 : 0;
    CHECK(before == Holdings());
    OneLives();
    CHECK(before == Holdings());
  } while (failed && ++places < 1000);
  CHECK(!failed && failures > 10);
}

// It ends the VM, or says that it has not.
void WhenMemoryRunsOutInADestruction() {
  int places = 0;
  do {
    const Holdings before;
    muster_vm* const vm = Made();
    RunOnce(vm);
    failed = false;
    succeed = places;
    muster_error error;
    const int32_t code = muster_vm_destroy(vm, &error);
    succeed = -1;
    if (code != MUSTER_OK) {
      CHECK(code == MUSTER_RESOURCE_EXHAUSTED);
      DONE(muster_vm_destroy(vm, &error));
    }
    CHECK(muster_vm_destroy(vm, &error) == MUSTER_FAILED_PRECONDITION);
    CHECK(before == Holdings());
  } while (failed && ++places < 1000);
  CHECK(!failed);
}

// So many more descriptors may be opened, for as long as this lives.
class DescriptorsLeft {
 public:
  explicit DescriptorsLeft(int count) {
    CHECK(getrlimit(RLIMIT_NOFILE, &before_) == 0);
    const int next = dup(0);
    CHECK(next >= 0 && close(next) == 0);
    rlimit limit = before_;
    limit.rlim_cur = static_cast<rlim_t>(next + count);
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
  }
  ~DescriptorsLeft() { CHECK(setrlimit(RLIMIT_NOFILE, &before_) == 0); }

 private:
  rlimit before_;
};

void WhenDescriptorsRunOut() {
  int count = 0;
  for (bool has_failed = true; has_failed; ++count) {
    CHECK(count < 20);
    const Holdings before;
    {
      const DescriptorsLeft left(count);
      has_failed = Create();
    }
    CHECK(before == Holdings());
    OneLives();
    CHECK(before == Holdings());
  }
  CHECK(count > 4);  // the device, the VM, a vCPU, the other

  muster_vm* const vm = Made();
  muster_error error;
  RunOnce(vm);
  const Holdings before;
  {
    const DescriptorsLeft none(0);
    CHECK(muster_vm_add_vcpu(vm, 2, &error) == MUSTER_RESOURCE_EXHAUSTED);
    CHECK(std::strstr(error.message, "vCPU 2") && std::strstr(error.message, "RLIMIT_NOFILE"));
    RunOnce(vm);
  }
  CHECK(Holdings().descriptors == before.descriptors && Holdings().threads == before.threads);
  DONE(muster_vm_add_vcpu(vm, 2, &error));
  CHECK(Holdings().descriptors == before.descriptors + 1);
  RunOnce(vm);
  DONE(muster_vm_destroy(vm, &error));
}

}  // namespace

int main() {
  const uint8_t code[] = {0xe6, 0x10, 0xeb, 0xfc};  // out 0x10, for ever
  ram = SmallRam(code, sizeof(code));
  // A KVM that is nested may not survive that the last VM goes again and again.
  muster_vm* const idle = Made();
  OneLives();  // what is kept for good
  WhenMemoryRunsOutInACreation();
  WhenMemoryRunsOutInADestruction();
  WhenDescriptorsRunOut();
  DONE(muster_vm_destroy(idle, &error));
  return 0;
}
