#pragma once

#include <absl/status/statusor.h>
#include <cstdint>
#include <optional>

#include <muster/vmm/load/image_bytes.h>

namespace muster::vmm {

// Multiboot Specification version 0.6.96, "OS image format".
inline constexpr uint32_t kMultibootHeaderMagic = 0x1badb002;
inline constexpr uint32_t kMultibootLoaderMagic = 0x2badb002;  // what EAX tells the kernel

struct MultibootHeader {
  // Where to put the file's bytes, for an image that is not ELF or wants to be loaded as if it were
  // not (flag 16). All physical; "The address fields of Multiboot header".
  struct Addresses {
    uint64_t file_offset;      // of the first byte to load
    uint64_t load, load_size;  // what comes from the file
    uint64_t memory_size;      // and with the zeros after it
    uint64_t entry;
  };

  uint64_t offset = 0;  // in the file
  std::optional<Addresses> addresses;
};

// Looks through the first 8,192 bytes. Nothing where no header is (a magic number whose checksum is
// wrong is none); a refusal where one is that can't be followed. A request for a video mode is not
// answered, as the specification allows: there is no video.
absl::StatusOr<std::optional<MultibootHeader>> FindMultibootHeader(const ImageBytes& file);

}  // namespace muster::vmm
