// Callbacks of the C interface that throw, as a C++ program's may: no exception comes out of it.
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <thread>

#include "c/small_vm.h"

namespace {

// How often each was called.
struct {
  std::atomic<int> now_ns{0}, arm{0}, hold{0}, proceed{0}, log{0}, all_asleep{0}, asserted{0},
      acknowledge{0};
} calls;
std::atomic<bool> wire{false};

void Throw(std::atomic<int>& count) {
  if (++count % 2 == 0) throw 17;
  throw std::runtime_error("a callback is broken");
}

muster_config Throwing() {
  muster_config config = SmallConfig();
  config.clock.now_ns = [](void*) -> uint64_t { Throw(calls.now_ns), std::abort(); };
  config.clock.arm = [](void*, int32_t, uint64_t) { Throw(calls.arm); };
  config.clock.hold = [](void*) { Throw(calls.hold); };
  config.clock.proceed = [](void*) { Throw(calls.proceed); };
  config.log = [](void*, int32_t, const char*) { Throw(calls.log); };
  config.all_asleep = [](void*) { Throw(calls.all_asleep); };
  config.extint.asserted = [](void*) -> int32_t {
    if (!wire) Throw(calls.asserted);
    return 1;
  };
  config.extint.acknowledge = [](void*, int32_t) -> uint8_t {
    wire = false;
    Throw(calls.acknowledge), std::abort();
  };
  return config;
}

void OfADevice() {
  // APIC: SVR, LVT timer, initial count; then out 0x10 for ever
  const uint8_t code[] = {0xc7, 0x05, 0xf0, 0x00, 0xe0, 0xfe, 0xff, 0x01, 0,    0,    0xc7, 0x05,
                          0x20, 0x03, 0xe0, 0xfe, 0x50, 0,    0,    0,    0xc7, 0x05, 0x80, 0x03,
                          0xe0, 0xfe, 0xff, 0xff, 0xff, 0x7f, 0xe6, 0x10, 0xeb, 0xfc};
  const muster_config config = Throwing();
  muster_vm* vm = SmallVm(&config, SmallRam(code, sizeof(code)), MUSTER_START_PROTECTED32);
  muster_devices devices;
  muster_devices_init(&devices);
  devices.port = [](void* what, muster_vm*, int32_t, const muster_port*) -> int32_t {
    if (what != nullptr) throw std::runtime_error("the device is broken");
    throw 17;
  };
  muster_exit exit, before;
  muster_error error;
  std::memset(&before, 0xa5, sizeof(before));
  exit = before;
  devices.context = &devices;
  CHECK(muster_vcpu_run(vm, 0, &devices, &exit, &error) == MUSTER_INTERNAL);
  CHECK(std::strcmp(error.message, "muster_vcpu_run: the device is broken") == 0);
  devices.context = nullptr;
  CHECK(muster_vcpu_run(vm, 0, &devices, &exit, &error) == MUSTER_INTERNAL);
  CHECK(std::strstr(error.message, "muster_vcpu_run: a callback threw") != nullptr);
  CHECK(calls.now_ns > 0);
  CHECK(calls.arm > 0);
  CHECK(std::memcmp(&exit, &before, sizeof(exit)) == 0);
  DONE(muster_vcpu_run(vm, 0, nullptr, &exit, &error));  // it goes on
  CHECK(exit.kind == MUSTER_EXIT_PORT);
  DONE(muster_vm_destroy(vm, &error));
}

void Await(const std::atomic<int>& count, int more_than) {
  while (count <= more_than) std::this_thread::yield();
}

// Of a vCPU that sleeps: a pause of it, a wire that nobody can read, and one whose vector nobody
// gives. That is 255 then.
void InsideTheLoop() {
  const uint8_t code[] = {0xfb, 0xf4, 0xeb, 0xfd};  // sti; hlt, and again
  uint8_t* const ram = SmallRam(code, sizeof(code));
  const uint8_t handler[] = {0xe6, 0x30, 0xcf};  // out 0x30; iret
  const uint16_t entry[] = {0x2000, 0};
  std::memcpy(ram + 0x2000, handler, sizeof(handler));
  std::memcpy(ram + 4 * 255, entry, sizeof(entry));
  muster_config config = Throwing();
  config.tsc_deadline = 1;  // what this KVM does is looked up, and logged
  muster_vm* vm = SmallVm(&config, ram, MUSTER_START_REAL);
  CHECK(calls.log > 0);
  muster_exit exit;
  std::thread runs([&] { DONE(muster_vcpu_run(vm, 0, nullptr, &exit, &error)); });
  Await(calls.all_asleep, 0);
  DONE(muster_vm_pause(vm, 10'000'000'000, &error));
  CHECK(calls.hold == 1);
  CHECK(calls.proceed == 0);
  DONE(muster_vm_resume(vm, &error));
  CHECK(calls.proceed == 1);
  for (int round = 0; round < 2; ++round) {
    const int before = calls.asserted;
    DONE(muster_vm_extint_raised(vm, &error));
    Await(calls.asserted, before);
  }
  CHECK(calls.acknowledge == 0);
  wire = true;
  DONE(muster_vm_extint_raised(vm, &error));
  runs.join();
  CHECK(calls.acknowledge == 1);
  CHECK(exit.kind == MUSTER_EXIT_PORT && exit.as.port.port == 0x30);
  DONE(muster_vm_destroy(vm, &error));
}

}  // namespace

int main() {
  OfADevice();
  InsideTheLoop();
  return 0;
}
