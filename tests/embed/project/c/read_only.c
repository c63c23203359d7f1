/* Memory that is read-only in C: a guest's write there is an exit, and the memory stays as it was.
 */
#include "small_vm.h"

enum { kRom = 0x20000 };

int main(void) {
  /* mov al, [kRom]; inc al; mov [kRom], al; out 0x10, al */
  const uint8_t code[] = {0xa0, 0, 0, 2, 0, 0xfe, 0xc0, 0xa2, 0, 0, 2, 0, 0xe6, 0x10};
  for (int32_t read_only = 0; read_only < 2; ++read_only) {
    const muster_config config = SmallConfig();
    muster_vm* const vm = SmallVm(&config, SmallRam(code, sizeof(code)), MUSTER_START_PROTECTED32);
    uint8_t* const rom = SmallRam("", 0);
    rom[0] = 0x77;
    DONE(muster_vm_add_memory(vm, kRom, rom, kRam, read_only, &error));
    muster_exit exit;
    DONE(muster_vcpu_run(vm, 0, NULL, &exit, &error));
    if (read_only) {
      CHECK(exit.kind == MUSTER_EXIT_MMIO && exit.as.mmio.is_write);
      CHECK(exit.as.mmio.address == kRom && exit.as.mmio.size == 1 && *exit.as.mmio.data == 0x78);
      DONE(muster_vcpu_run(vm, 0, NULL, &exit, &error));
    }
    CHECK(exit.kind == MUSTER_EXIT_PORT && *exit.as.port.data == 0x78);
    CHECK(rom[0] == (read_only ? 0x77 : 0x78));
    DONE(muster_vm_destroy(vm, &error));
  }
  return 0;
}
