#pragma once

#include <array>
#include <cstdint>

#include <muster/vmm/memory/guest_memory.h>

namespace muster::vmm {

// The last page below 4 GiB, where a processor is after a reset, and the only firmware there is: it
// jumps through the vector at 40:67 where the CMOS shutdown status is 05h, 09h or 0Ah (IBM PC AT
// Technical Reference), else it asks the machine, by kRestartPort, to start the image again. Nobody
// else can.
struct BootRom {
  static constexpr uint64_t kBase = 0xfffff000;
  // What is at F000:F000 too, from where programs that jump to F000:FFF0 come.
  static constexpr uint64_t kLowBase = 0xff000;
  static constexpr uint16_t kRestartPort = 0x0508;

  // Whether real-mode code at this linear address is the ROM's.
  static constexpr bool Contains(uint64_t linear) {
    return linear - kBase < GuestMemory::kPage || linear - kLowBase < GuestMemory::kPage;
  }

  using Page = std::array<uint8_t, GuestMemory::kPage>;
  static Page Contents();
};

}  // namespace muster::vmm
