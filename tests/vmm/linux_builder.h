#pragma once

#include <algorithm>
#include <asm/bootparam.h>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "image_words.h"

namespace muster::vmm::testing {

inline constexpr uint64_t kSetupBytes = 1024;  // one setup sector, after the boot sector

// Where a field of the setup header is, in the file and in boot_params.
#define SETUP_FIELD(name) (offsetof(boot_params, hdr) + offsetof(setup_header, name))

// A bzImage of protocol 2.15 with a 64-bit entry whose kernel is 2,048 bytes, of which the first of
// each 512 tells which; made to be loaded at 4 MiB and to take 1 MiB there.
inline std::vector<uint8_t> GoodLinux() {
  std::vector<uint8_t> image(kSetupBytes + 2048);
  image[SETUP_FIELD(setup_sects)] = 1;
  Store<uint32_t>(image, SETUP_FIELD(syssize), 2048 / 16);
  Store<uint16_t>(image, SETUP_FIELD(boot_flag), 0xaa55);
  image[SETUP_FIELD(jump)] = 0xeb;
  image[SETUP_FIELD(jump) + 1] = 0x6a;
  Store<uint32_t>(image, SETUP_FIELD(header), 0x53726448);
  Store<uint16_t>(image, SETUP_FIELD(version), 0x20f);
  Store<uint16_t>(image, SETUP_FIELD(kernel_version), 0x100);
  image[SETUP_FIELD(loadflags)] = LOADED_HIGH;
  Store<uint32_t>(image, SETUP_FIELD(initrd_addr_max), 0x7fffffff);
  Store<uint32_t>(image, SETUP_FIELD(kernel_alignment), 0x200000);
  image[SETUP_FIELD(relocatable_kernel)] = 1;
  Store<uint16_t>(image, SETUP_FIELD(xloadflags), XLF_KERNEL_64);
  Store<uint32_t>(image, SETUP_FIELD(cmdline_size), 31);
  Store<uint64_t>(image, SETUP_FIELD(pref_address), 0x400000);
  Store<uint32_t>(image, SETUP_FIELD(init_size), 0x100000);
  const char release[] = "6.1.0-test (somebody)";
  std::copy(std::begin(release), std::end(release), image.begin() + 0x300);
  for (uint64_t at = 0; at < 2048; at += 512) {
    image[kSetupBytes + at] = static_cast<uint8_t>(0xa0 + at / 512);
  }
  return image;
}

}  // namespace muster::vmm::testing
