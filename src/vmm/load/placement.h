#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <cstdint>
#include <string>
#include <vector>

namespace muster::vmm {

// Which parts of the RAM below the hole are taken while an image is laid out.
class Placement {
 public:
  // What a kernel is told of lies from here on, where its image does not.
  static constexpr uint64_t kStructures = 0x10000;

  explicit Placement(uint64_t ram_end) : ram_end_(ram_end) {}

  void Take(uint64_t base, uint64_t size);

  // The end of the highest part taken.
  uint64_t taken_end() const;

  // Takes the lowest free `size` bytes at or above `floor` that begin on a page and returns their
  // address. ResourceExhausted, naming `what`, where there are none.
  absl::StatusOr<uint64_t> Find(uint64_t floor, uint64_t size, const std::string& what);

  // Takes the highest such `size` bytes at or above `floor` that end at or below `ceiling`.
  absl::StatusOr<uint64_t> FindHighest(uint64_t floor, uint64_t ceiling, uint64_t size,
                                       const std::string& what);

 private:
  struct Range {
    uint64_t base, end;
  };

  absl::Status NoRoom(uint64_t size, uint64_t end, const std::string& what) const;

  uint64_t ram_end_;
  std::vector<Range> taken_;  // by base
};

}  // namespace muster::vmm
