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
  std::string arguments;             // the command line is the image's name, then these
  std::optional<ImageBytes> initrd;  // becomes the one Multiboot module
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
//   ELF32 without           the same
//   ELF64 without           64-bit mode with the low 4 GiB mapped onto themselves; RAX, RBX as EAX,
//                           EBX above; RSP the top of a stack (long_mode.h)
//
// Errors name the file, the offset and the rule, and say nothing of `memory`, which is to be thrown
// away then.
absl::StatusOr<LoadedImage> LoadImage(const LoadRequest& request, GuestMemory& memory);

}  // namespace muster::vmm
