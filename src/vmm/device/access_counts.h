#pragma once

#include <absl/base/thread_annotations.h>
#include <cstdint>
#include <map>
#include <vector>

#include <muster/rendezvous/sync.h>

namespace muster::vmm {

// How often each port, address or MSR that nobody serves was read and written. Any thread.
class AccessCounts {
 public:
  // A guest can't make this grow without bound: further ones are counted together.
  static constexpr size_t kMostAddresses = 256;

  struct Row {
    uint64_t address;
    uint64_t reads, writes;
  };

  void CountRead(uint64_t address);
  void CountWrite(uint64_t address);

  // By address.
  std::vector<Row> Rows() const;
  // Accesses to addresses past the first kMostAddresses.
  uint64_t others() const;

 private:
  struct Counts {
    uint64_t reads = 0, writes = 0;
  };
  Counts* Find(uint64_t address) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  mutable sync::Mutex mutex_;
  std::map<uint64_t, Counts> counts_ ABSL_GUARDED_BY(mutex_);
  uint64_t others_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace muster::vmm
