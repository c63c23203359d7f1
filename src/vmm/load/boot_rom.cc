#include <algorithm>

#include <muster/vmm/load/boot_rom.h>

namespace muster::vmm {
namespace {

constexpr uint64_t kEntry = 0xff0;  // in the page; the reset vector is FFFFFFF0
constexpr uint64_t kCode = 0xf80;

// Real mode, anywhere: jumps are relative, and of RAM there is only what is at 0:467 and 40:67.
constexpr uint8_t kReset[] = {
    0xfa,                    //       cli
    0xb0, 0x0f,              //       mov al, 0x0f       shutdown status
    0xe6, 0x70,              //       out 0x70, al
    0xe4, 0x71,              //       in al, 0x71
    0x88, 0xc4,              //       mov ah, al
    0xb0, 0x0f,              //       mov al, 0x0f
    0xe6, 0x70,              //       out 0x70, al
    0x30, 0xc0,              //       xor al, al         it holds for one reset
    0xe6, 0x71,              //       out 0x71, al
    0x80, 0xfc, 0x05,        //       cmp ah, 5
    0x74, 0x11,              //       je vector
    0x80, 0xfc, 0x09,        //       cmp ah, 9
    0x74, 0x0c,              //       je vector
    0x80, 0xfc, 0x0a,        //       cmp ah, 0xa
    0x74, 0x07,              //       je vector
    0xba, 0x08, 0x05,        //       mov dx, kRestartPort
    0xee,                    //       out dx, al
    0xf4,                    // stay: hlt
    0xeb, 0xfd,              //       jmp stay
    0x31, 0xc0,              // vector: xor ax, ax
    0x8e, 0xd8,              //       mov ds, ax
    0xff, 0x2e, 0x67, 0x04,  // jmp far [0x467]
};
static_assert(kCode + sizeof(kReset) <= kEntry);
static_assert(BootRom::kRestartPort == 0x0508);

constexpr uint8_t kJump[] = {
    0xe9, (kCode - kEntry - 3) & 0xff, (kCode - kEntry - 3) >> 8 & 0xff,  // jmp to kCode
};

}  // namespace

BootRom::Page BootRom::Contents() {
  Page page{};
  std::copy(std::begin(kReset), std::end(kReset), page.begin() + kCode);
  std::copy(std::begin(kJump), std::end(kJump), page.begin() + kEntry);
  return page;
}

}  // namespace muster::vmm
