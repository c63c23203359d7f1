#include <algorithm>
#include <fmt/format.h>

#include <muster/vmm/load/multiboot.h>

namespace muster::vmm {
namespace {

constexpr uint64_t kSearched = 8192;
constexpr uint32_t kMustUnderstand = 0xffff;
constexpr uint32_t kUnderstood = 0x7;  // page-aligned modules, memory information, video mode
constexpr uint32_t kHasAddresses = 1u << 16;

struct RawHeader {
  uint32_t magic, flags, checksum;
};

struct RawAddresses {
  uint32_t header, load, load_end, bss_end, entry;
};

absl::StatusOr<MultibootHeader::Addresses> ParseAddresses(const ImageBytes& file, uint64_t offset) {
  const uint64_t at = offset + sizeof(RawHeader);
  absl::StatusOr<RawAddresses> raw = file.Read<RawAddresses>(at, "Multiboot address fields");
  if (!raw.ok()) return raw.status();
  if (raw->load > raw->header || raw->header - raw->load > offset) {
    return file.Refuse(at, fmt::format("Multiboot load_addr {:#x} with header_addr {:#x} is before "
                                       "the begin of the file",
                                       raw->load, raw->header));
  }
  MultibootHeader::Addresses addresses{
      .file_offset = offset - (raw->header - raw->load),
      .load = raw->load,
      .load_size = 0,
      .memory_size = 0,
      .entry = raw->entry,
  };
  if (raw->load_end == 0) {
    addresses.load_size = file.size() - addresses.file_offset;
  } else if (raw->load_end < raw->load) {
    return file.Refuse(at + 8, fmt::format("Multiboot load_end_addr {:#x} is below load_addr {:#x}",
                                           raw->load_end, raw->load));
  } else {
    addresses.load_size = raw->load_end - raw->load;
  }
  if (auto bytes = file.At(addresses.file_offset, addresses.load_size, "Multiboot load area");
      !bytes.ok()) {
    return bytes.status();
  }
  addresses.memory_size = addresses.load_size;
  if (raw->bss_end != 0) {
    if (raw->bss_end < raw->load + addresses.load_size) {
      return file.Refuse(
          at + 12, fmt::format("Multiboot bss_end_addr {:#x} is below the end of what is loaded, "
                               "{:#x}",
                               raw->bss_end, raw->load + addresses.load_size));
    }
    addresses.memory_size = raw->bss_end - raw->load;
  }
  if (raw->entry < raw->load || raw->entry - raw->load >= addresses.memory_size) {
    return file.Refuse(
        at + 16, fmt::format("Multiboot entry_addr {:#x} is not in what is loaded", raw->entry));
  }
  return addresses;
}

}  // namespace

absl::StatusOr<std::optional<MultibootHeader>> FindMultibootHeader(const ImageBytes& file) {
  const uint64_t end = std::min(kSearched, file.size());
  // "The Multiboot header must be contained completely within the first 8192 bytes."
  for (uint64_t offset = 0; offset + sizeof(RawHeader) <= end; offset += 4) {
    absl::StatusOr<RawHeader> raw = file.Read<RawHeader>(offset, "Multiboot header");
    if (!raw.ok()) return raw.status();
    if (raw->magic != kMultibootHeaderMagic || raw->magic + raw->flags + raw->checksum != 0) {
      continue;
    }
    MultibootHeader header{.offset = offset, .addresses = {}};
    if (const uint32_t unknown = raw->flags & kMustUnderstand & ~kUnderstood; unknown != 0) {
      return file.Refuse(offset + 4, fmt::format("Multiboot flags {:#x} demand features that are "
                                                 "not known: {:#x}",
                                                 raw->flags, unknown));
    }
    if (raw->flags & kHasAddresses) {
      absl::StatusOr<MultibootHeader::Addresses> addresses = ParseAddresses(file, offset);
      if (!addresses.ok()) return addresses.status();
      header.addresses = *addresses;
    }
    return header;
  }
  return std::nullopt;
}

}  // namespace muster::vmm
