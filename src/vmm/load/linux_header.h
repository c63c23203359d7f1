#pragma once

#include <absl/status/statusor.h>
#include <asm/bootparam.h>
#include <cstdint>
#include <string>

#include <muster/vmm/load/image_bytes.h>

namespace muster::vmm {

// Of the 64-bit entry point, from the kernel's first byte.
inline constexpr uint64_t kLinuxEntry64 = 0x200;

// What a bzImage says of itself: the Linux kernel's "The Linux/x86 Boot Protocol", "The Real-Mode
// Kernel Header", from version 2.06 on. Other kernels come in this format too.
struct LinuxHeader {
  setup_header raw{};        // as in the file; zeros past its end there
  std::string release;       // of the kernel, "" where it does not say
  uint64_t code_offset = 0;  // in the file, of the protected-mode kernel, which goes to its end
  uint64_t code_size = 0;
  bool starts_in_64 = false;    // has the 64-bit entry point
  bool is_relocatable = false;  // may lie at any multiple of `alignment`
  uint64_t alignment = 1;       // a power of two
  uint64_t preferred = 0;       // address
  uint64_t memory_size = 0;     // that it needs from its code's begin on, before it looks for RAM
  uint64_t command_line_size = 0;  // at most, without the zero
  uint64_t initrd_end = 0;         // the initrd has to be below
};

bool IsLinux(const ImageBytes& file);

// Refuses what is older, a zImage, and what contradicts itself or the file.
absl::StatusOr<LinuxHeader> ParseLinuxHeader(const ImageBytes& file);

}  // namespace muster::vmm
