#include <algorithm>
#include <bit>
#include <cstddef>
#include <fmt/format.h>

#include <muster/vmm/load/linux_header.h>

namespace muster::vmm {
namespace {

constexpr uint64_t kSector = 512;
constexpr uint64_t kHeader = offsetof(boot_params, hdr);
constexpr uint64_t kBootFlag = kHeader + offsetof(setup_header, boot_flag);
constexpr uint64_t kMagic = kHeader + offsetof(setup_header, header);
constexpr uint64_t kHeaderLength = kHeader + offsetof(setup_header, jump) + 1;
constexpr uint16_t kBootFlagValue = 0xaa55;
constexpr uint32_t kMagicValue = 0x53726448;  // "HdrS"
constexpr uint16_t kOldest = 0x0206;
constexpr uint16_t kHasMemorySize = 0x020a, kHasExtraFlags = 0x020c;
constexpr uint64_t kHighKernel = 0x100000;

uint64_t FieldAt(size_t offset) { return kHeader + offset; }

// The header is as long as its jump over itself says: the kernel's code follows.
absl::StatusOr<setup_header> ReadHeader(const ImageBytes& file) {
  auto length = file.Read<uint8_t>(kHeaderLength, "Linux setup header");
  if (!length.ok()) return length.status();
  const uint64_t size = std::min<uint64_t>(kMagic + *length - kHeader, sizeof(setup_header));
  auto bytes = file.At(kHeader, size, "Linux setup header");
  if (!bytes.ok()) return bytes.status();
  setup_header header{};
  std::memcpy(&header, bytes->data(), bytes->size());
  return header;
}

// "kernel_version": a pointer to a string, 0x200 bytes less than its offset in the file.
std::string ReadRelease(const ImageBytes& file, uint64_t setup_size, uint16_t pointer) {
  constexpr uint64_t kLongest = 64;
  const uint64_t begin = kSector + pointer;
  if (pointer == 0 || begin >= setup_size) return "";
  const auto text = file.all().subspan(begin, std::min(kLongest, setup_size - begin));
  std::string release;
  for (const uint8_t c : text) {
    if (c <= ' ' || c > '~') break;  // what follows the first word is who built it
    release += static_cast<char>(c);
  }
  return release;
}

}  // namespace

bool IsLinux(const ImageBytes& file) {
  const auto flag = file.Read<uint16_t>(kBootFlag, "boot flag");
  const auto magic = file.Read<uint32_t>(kMagic, "Linux setup header");
  return flag.ok() && magic.ok() && *flag == kBootFlagValue && *magic == kMagicValue;
}

absl::StatusOr<LinuxHeader> ParseLinuxHeader(const ImageBytes& file) {
  auto raw = ReadHeader(file);
  if (!raw.ok()) return raw.status();
  if (raw->version < kOldest) {
    return file.Refuse(FieldAt(offsetof(setup_header, version)),
                       fmt::format("Linux boot protocol {}.{:02}: 2.06 is the oldest that is known",
                                   raw->version >> 8, raw->version & 0xff));
  }
  if (!(raw->loadflags & LOADED_HIGH)) {
    return file.Refuse(FieldAt(offsetof(setup_header, loadflags)),
                       "a kernel that is loaded below 1 MiB (zImage) cannot be started");
  }
  LinuxHeader header;
  header.raw = *raw;
  const uint64_t setup_sectors = raw->setup_sects == 0 ? 4 : raw->setup_sects;
  header.code_offset = (setup_sectors + 1) * kSector;
  if (file.size() <= header.code_offset) {
    return file.Refuse(
        FieldAt(offsetof(setup_header, setup_sects)),
        fmt::format("the kernel begins at {:#x}, past the end of the file", header.code_offset));
  }
  header.code_size = file.size() - header.code_offset;
  constexpr uint64_t kParagraph = 16;
  // Rounded up. Files that are signed are longer; those whose tail is missing are shorter.
  if (raw->syssize * kParagraph >= header.code_size + kParagraph) {
    return file.Refuse(FieldAt(offsetof(setup_header, syssize)),
                       fmt::format("the kernel has {:#x} bytes, of which the file holds {:#x}",
                                   raw->syssize * kParagraph, header.code_size));
  }
  header.starts_in_64 = raw->version >= kHasExtraFlags && (raw->xloadflags & XLF_KERNEL_64);
  if (header.starts_in_64 && header.code_size <= kLinuxEntry64) {
    return file.Refuse(FieldAt(offsetof(setup_header, xloadflags)),
                       "the kernel ends before its 64-bit entry point");
  }
  header.is_relocatable = raw->relocatable_kernel != 0;
  if (header.is_relocatable) header.alignment = raw->kernel_alignment;
  if (!std::has_single_bit(header.alignment)) {
    return file.Refuse(FieldAt(offsetof(setup_header, kernel_alignment)),
                       fmt::format("the alignment {:#x} is no power of two", header.alignment));
  }
  header.preferred = kHighKernel;
  header.memory_size = header.code_size;
  if (raw->version >= kHasMemorySize) {
    header.preferred = raw->pref_address;
    header.memory_size = std::max<uint64_t>(header.code_size, raw->init_size);
  }
  if (header.preferred < kHighKernel || header.preferred >= uint64_t{1} << 32) {
    return file.Refuse(FieldAt(offsetof(setup_header, pref_address)),
                       fmt::format("the kernel wants to be at {:#x}, which is not between 1 MiB "
                                   "and 4 GiB",
                                   header.preferred));
  }
  header.release = ReadRelease(file, header.code_offset, raw->kernel_version);
  header.command_line_size = raw->cmdline_size;
  header.initrd_end = uint64_t{raw->initrd_addr_max} + 1;
  return header;
}

}  // namespace muster::vmm
