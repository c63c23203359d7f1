#include <muster/vmm/device/fw_cfg.h>

namespace muster::vmm {
namespace {

std::vector<uint8_t> LittleEndian(uint64_t value, size_t bytes) {
  std::vector<uint8_t> result;
  for (size_t i = 0; i < bytes; ++i) result.push_back(static_cast<uint8_t>(value >> (8 * i)));
  return result;
}

}  // namespace

FwCfg::FwCfg(uint64_t ram_bytes, uint16_t cpus) {
  items_[kSignature] = {'Q', 'E', 'M', 'U'};
  items_[kId] = LittleEndian(1, 4);  // the ports, no DMA
  items_[kRamSize] = LittleEndian(ram_bytes, 8);
  items_[kCpus] = LittleEndian(cpus, 2);
  items_[kMaxRam] = items_[kRamSize];
  items_[kMaxCpus] = LittleEndian(cpus, 2);
}

uint32_t FwCfg::Read(uint16_t offset, int size) {
  if (offset != 1 || size != 1) return 0;
  sync::MutexLock lock(mutex_);
  const auto item = items_.find(key_);
  if (item == items_.end() || next_ >= item->second.size()) return 0;
  return item->second[next_++];
}

void FwCfg::Write(uint16_t offset, int size, uint32_t value) {
  if (offset != 0 || size != 2) return;
  sync::MutexLock lock(mutex_);
  key_ = static_cast<uint16_t>(value);
  next_ = 0;
}

}  // namespace muster::vmm
