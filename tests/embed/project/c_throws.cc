// Callbacks of the C interface that throw, as a C++ program's may: no exception comes out of it.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <muster.h>
#include <stdexcept>
#include <sys/mman.h>

#define CHECK(condition)                                                \
  do {                                                                  \
    if (!(condition)) {                                                 \
      std::cerr << __FILE__ << ":" << __LINE__ << ": " #condition "\n"; \
      std::_Exit(1);                                                    \
    }                                                                   \
  } while (false)

namespace {

int clock_calls = 0;

uint64_t NowNs(void*) {
  ++clock_calls;
  throw std::runtime_error("no time");
}
void Arm(void*, int32_t, uint64_t) {
  ++clock_calls;
  throw 17;
}
int32_t Port(void* what, muster_vm*, int32_t, const muster_port*) {
  if (what != nullptr) throw std::runtime_error("the device is broken");
  throw 17;
}

}  // namespace

int main() {
  auto* ram = static_cast<uint8_t*>(
      mmap(nullptr, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  // APIC: SVR, initial count; then out 0x10 for ever
  const uint8_t code[] = {0xc7, 0x05, 0xf0, 0,    0xe0, 0xfe, 0xff, 0x01, 0,    0,    0xc7, 0x05,
                          0x80, 0x03, 0xe0, 0xfe, 0xff, 0xff, 0xff, 0x7f, 0xe6, 0x10, 0xeb, 0xfc};
  std::memcpy(ram + 0x1000, code, sizeof(code));
  muster_config config;
  muster_config_init(&config);
  config.clock.now_ns = NowNs;
  config.clock.arm = Arm;
  muster_vm* vm = nullptr;
  muster_error error{};
  const int32_t created = muster_vm_create(&config, &vm, &error);
  if (created == MUSTER_NOT_FOUND || created == MUSTER_PERMISSION_DENIED) {
    std::cerr << "skipped: " << error.message << "\n";
    return 77;
  }
  CHECK(created == MUSTER_OK);
  CHECK(muster_vm_add_memory(vm, 0, ram, 65536, 0, &error) == MUSTER_OK);
  muster_start start;
  muster_start_init(&start);
  start.rip = 0x1000;
  CHECK(muster_vm_set_start(vm, &start, &error) == MUSTER_OK);
  muster_devices devices;
  muster_devices_init(&devices);
  devices.port = Port;
  muster_exit exit;
  devices.context = &devices;
  CHECK(muster_vcpu_run(vm, 0, &devices, &exit, &error) == MUSTER_INTERNAL);
  CHECK(std::strcmp(error.message, "muster_vcpu_run: the device is broken") == 0);
  devices.context = nullptr;
  CHECK(muster_vcpu_run(vm, 0, &devices, &exit, &error) == MUSTER_INTERNAL);
  CHECK(std::strstr(error.message, "muster_vcpu_run: a callback threw") != nullptr);
  CHECK(clock_calls >= 2);
  CHECK(muster_vm_destroy(vm, &error) == MUSTER_OK);
  return 0;
}
