#include <muster/vmm/device/access_counts.h>

namespace muster::vmm {

AccessCounts::Counts* AccessCounts::Find(uint64_t address) {
  const auto found = counts_.find(address);
  if (found != counts_.end()) return &found->second;
  if (counts_.size() < kMostAddresses) return &counts_[address];
  ++others_;
  return nullptr;
}

void AccessCounts::CountRead(uint64_t address) {
  sync::MutexLock lock(mutex_);
  if (Counts* counts = Find(address)) ++counts->reads;
}

void AccessCounts::CountWrite(uint64_t address) {
  sync::MutexLock lock(mutex_);
  if (Counts* counts = Find(address)) ++counts->writes;
}

std::vector<AccessCounts::Row> AccessCounts::Rows() const {
  sync::MutexLock lock(mutex_);
  std::vector<Row> rows;
  for (const auto& [address, counts] : counts_) {
    rows.push_back({address, counts.reads, counts.writes});
  }
  return rows;
}

uint64_t AccessCounts::others() const {
  sync::MutexLock lock(mutex_);
  return others_;
}

}  // namespace muster::vmm
