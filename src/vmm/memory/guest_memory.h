#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

namespace muster::vmm {

// The guest's RAM: all zeros at first, host pages only where something was written. It begins at
// address 0 and leaves out 3 GiB to 4 GiB, where the local APICs and the I/O APIC are; what does
// not fit below goes to 4 GiB and up.
class GuestMemory {
 public:
  static constexpr uint64_t kPage = 4096;
  static constexpr uint64_t kHoleBegin = 0xc0000000;
  static constexpr uint64_t kHoleEnd = 0x100000000;
  static constexpr uint64_t kSmallest = uint64_t{1} << 20;
  static constexpr uint64_t kLargest = uint64_t{1} << 40;

  struct Region {
    uint64_t base;  // guest-physical
    std::span<uint8_t> host;

    uint64_t end() const { return base + host.size(); }
  };

  // InvalidArgument unless `bytes` is whole pages, at least kSmallest and at most kLargest;
  // ResourceExhausted where the host does not have the address space.
  static absl::StatusOr<GuestMemory> Create(uint64_t bytes);

  uint64_t size() const { return size_; }
  uint64_t low_end() const { return regions_.front().end(); }

  // Ascending; one or two.
  const std::vector<Region>& regions() const { return regions_; }

  // The host bytes behind [address, address + size). OutOfRange where any of them is not RAM. The
  // one place where a guest-physical address is checked. Running vCPUs may write there meanwhile.
  absl::StatusOr<std::span<uint8_t>> At(uint64_t address, uint64_t size) const;

  absl::Status Write(uint64_t address, std::span<const uint8_t> bytes);

  template <typename T>
  absl::Status WriteValue(uint64_t address, const T& value) {
    static_assert(std::is_trivially_copyable_v<T>);
    return Write(address, {reinterpret_cast<const uint8_t*>(&value), sizeof(T)});
  }

 private:
  struct Unmap {
    uint64_t bytes;
    void operator()(uint8_t* base) const;
  };

  GuestMemory(uint8_t* base, uint64_t bytes);

  uint64_t size_;
  std::unique_ptr<uint8_t, Unmap> mapping_;
  std::vector<Region> regions_;
};

}  // namespace muster::vmm
