#include <array>

#include <muster/vmm/load/long_mode.h>

namespace muster::vmm {
namespace {

constexpr uint64_t kPage = GuestMemory::kPage;
constexpr int kGigabytes = 4;

// SDM "4-Level Paging and 5-Level Paging".
constexpr uint64_t kPresent = 1, kWritable = 2, kLargePage = 0x80;
constexpr uint64_t kLargePageBytes = uint64_t{2} << 20;

// SDM "Segment Descriptors": present, DPL 0, accessed.
constexpr std::array<uint64_t, 3> kGdt = {
    0,
    0x00af9b000000ffff,  // code, L = 1
    0x00cf93000000ffff,  // data
};

using Table = std::array<uint64_t, 512>;

}  // namespace

absl::StatusOr<LongModeTables> WriteLongModeTables(uint64_t base, GuestMemory& memory) {
  const uint64_t pml4 = base, pdpt = pml4 + kPage, directories = pdpt + kPage;
  const uint64_t gdt = directories + kGigabytes * kPage;
  Table root{}, pointers{};
  root[0] = pdpt | kPresent | kWritable;
  absl::Status status = absl::OkStatus();
  for (uint64_t gigabyte = 0; status.ok() && gigabyte < kGigabytes; ++gigabyte) {
    const uint64_t address = directories + gigabyte * kPage;
    pointers[gigabyte] = address | kPresent | kWritable;
    Table directory;
    for (uint64_t i = 0; i < directory.size(); ++i) {
      directory[i] = ((gigabyte << 30) + i * kLargePageBytes) | kPresent | kWritable | kLargePage;
    }
    status = memory.WriteValue(address, directory);
  }
  if (status.ok()) status = memory.WriteValue(pml4, root);
  if (status.ok()) status = memory.WriteValue(pdpt, pointers);

  if (status.ok()) status = memory.WriteValue(gdt, kGdt);
  if (!status.ok()) return status;
  return LongModeTables{
      .stack_top = base + LongModeTables::kBytes,
      .gdt_base = gdt,
      .gdt_limit = sizeof(kGdt) - 1,
      .cr3 = pml4,
  };
}

}  // namespace muster::vmm
