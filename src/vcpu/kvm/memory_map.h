#pragma once

#include <absl/status/status.h>
#include <cstdint>
#include <map>
#include <span>
#include <utility>

namespace muster::vcpu {

inline constexpr uint64_t kPageSize = 4096;

// Never memory: the I/O APIC, the local APICs and MSI (FEC00000 to FEEFFFFF), where accesses must
// exit, and the pages that KVM itself uses on processors without unrestricted guest mode.
inline constexpr uint64_t kHoleBegin = 0xfec00000;
inline constexpr uint64_t kHoleEnd = 0xff000000;

// In the hole, below KVM's own pages: where a probe has its four for a few milliseconds.
inline constexpr uint64_t kProbeAddress = kHoleEnd - 8 * kPageSize;

// Which host memory stands behind which guest-physical address. Pure.
class MemoryMap {
 public:
  // InvalidArgument, naming both ranges and the rule, where either side is empty or not whole
  // pages, the range wraps, or it touches an earlier one or the hole.
  absl::Status Add(uint64_t gpa, std::span<uint8_t> host, bool read_only = false);

  // The host bytes of [gpa, gpa + length), or an empty span where no one range holds them all.
  std::span<const uint8_t> Find(uint64_t gpa, uint64_t length) const;
  // The same to be written: empty also where the guest may only read. The host may not have mapped
  // them for more either.
  std::span<uint8_t> FindWritable(uint64_t gpa, uint64_t length) const;

  // Whether there is host memory behind this address.
  bool Contains(uint64_t gpa) const { return !Find(gpa, 1).empty(); }

 private:
  struct Range {
    std::span<uint8_t> host;
    bool read_only;
  };

  // The one that holds [gpa, gpa + length), or null.
  const std::pair<const uint64_t, Range>* RangeOf(uint64_t gpa, uint64_t length) const;

  // By first guest-physical address; disjoint.
  std::map<uint64_t, Range> ranges_;
};

}  // namespace muster::vcpu
