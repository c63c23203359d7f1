#include <algorithm>
#include <fmt/format.h>

#include <muster/vmm/load/piece.h>

namespace muster::vmm {

absl::Status Put(const LoadRequest& request, const Piece& piece, Placement& placement,
                 GuestMemory& memory) {
  const ImageBytes& file = request.image;
  if (piece.address > memory.low_end() || piece.memory_size > memory.low_end() - piece.address) {
    uint64_t end = 0;
    if (__builtin_add_overflow(piece.address, piece.memory_size, &end)) end = UINT64_MAX;
    return file.Refuse(
        piece.rule_offset,
        fmt::format("{:#x} bytes at {:#x} do not lie in guest memory, which ends at {:#x}{}",
                    piece.memory_size, piece.address, memory.low_end(),
                    end > GuestMemory::kHoleBegin
                        ? fmt::format(": an image has to lie below {:#x}", GuestMemory::kHoleBegin)
                        : "; give more with --memory"));
  }
  auto bytes = file.At(piece.file_offset, piece.file_size, "segment");
  if (!bytes.ok()) return bytes.status();
  placement.Take(piece.address, piece.memory_size);
  absl::Status status = memory.Write(piece.address, *bytes);
  // In new memory the zeros after them are there already, and cost no pages.
  if (!status.ok() || !request.again) return status;
  auto rest = memory.At(piece.address + piece.file_size, piece.memory_size - piece.file_size);
  if (!rest.ok()) return rest.status();
  std::fill(rest->begin(), rest->end(), 0);
  return absl::OkStatus();
}

}  // namespace muster::vmm
