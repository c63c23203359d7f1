#pragma once

#include <absl/status/statusor.h>
#include <cstdint>
#include <vector>

#include <muster/vmm/load/image_bytes.h>

namespace muster::vmm {

// What a loader needs of an ELF file, 32-bit or 64-bit. "Tool Interface Standard (TIS) Executable
// and Linking Format Specification"; System V ABI, "Program Header".
struct ElfSegment {
  uint64_t header_offset;  // of its program header in the file, for messages
  uint64_t file_offset, file_size;
  uint64_t virtual_address, physical_address, memory_size;
};

struct ElfImage {
  bool is_64 = false;
  uint64_t entry = 0;                // virtual
  std::vector<ElfSegment> segments;  // PT_LOAD with a memory size, by physical address

  // Where `address` is by the segments' physical addresses; refused where no segment holds it.
  absl::StatusOr<uint64_t> ToPhysical(const ImageBytes& file, uint64_t address) const;
};

bool IsElf(const ImageBytes& file);

// Refuses what is not a statically linked executable for x86, with segments that lie in the file
// and do not overlap in memory. Whether they lie in RAM is for the loader to see.
absl::StatusOr<ElfImage> ParseElf(const ImageBytes& file);

}  // namespace muster::vmm
