#pragma once

#include <absl/status/statusor.h>
#include <optional>
#include <string>

#include <muster/vcpu/run/start_state.h>
#include <muster/vmm/load/image_bytes.h>
#include <muster/vmm/load/symbols.h>
#include <muster/vmm/memory/guest_memory.h>

namespace muster::vmm {

struct LoadRequest {
  ImageBytes image;
  // Multiboot: the command line is the image's name, then these. Else it is these.
  std::string arguments;
  // Becomes the one Multiboot or PVH module, Linux' initial RAM disk.
  std::optional<ImageBytes> initrd = std::nullopt;
  // The image has no format and is to be put here.
  std::optional<uint64_t> flat = std::nullopt;
  // The memory has been written to since it was made.
  bool again = false;
};

struct LoadedImage {
  std::string format;  // in words, for reports
  vcpu::StartState start;
  SymbolTable symbols;
};

// Lays the image out in guest memory. What it is decides how it starts:
//
//   Multiboot header        as "Machine state" of Multiboot 1 says: 32-bit protected mode, EAX the
//                           magic number, EBX the information structure; ELF of either class, or
//                           any file whose header has the address fields
//   ELF with a PVH note     as PVH says: 32-bit protected mode at the note's address, EBX the start
//                           information (pvh.h)
//   Linux bzImage           at its 64-bit entry point where it has one, else at its 32-bit one
//                           (linux_boot.h)
//   ELF32 without           as with a Multiboot header
//   ELF64 without           64-bit mode with the low 4 GiB mapped onto themselves; RAX, RBX as EAX,
//                           EBX above; RSP the top of a stack (long_mode.h)
//   flat, below 1 MiB       real mode at CS:IP = address / 16 : address % 16; DS, ES and SS are 0,
//                           SP is below the image (at most FFF0, and that for the first page);
//                           EAX, EBX as above
//   flat, from 1 MiB up     as Multiboot, at its first byte
//
// The low megabyte is for the caller to fill first (WriteBiosArea); boot information keeps clear.
// Errors name the file, the offset and the rule, and say nothing of `memory`, which is to be thrown
// away then.
absl::StatusOr<LoadedImage> LoadImage(const LoadRequest& request, GuestMemory& memory);

}  // namespace muster::vmm
