#include <muster/vmm/device/port_bus.h>

namespace muster::vmm {
namespace {

uint32_t AllOnes(int size) { return size == 4 ? UINT32_MAX : (1u << (8 * size)) - 1; }

}  // namespace

void PortBus::Attach(uint16_t first, uint16_t count, Width width, PortDevice& device) {
  ranges_.push_back({first, count, width, &device});
}

const PortBus::Range* PortBus::Find(uint16_t port) const {
  for (const Range& range : ranges_) {
    if (port >= range.first && port - range.first < range.count) return &range;
  }
  return nullptr;
}

uint32_t PortBus::Read(uint16_t port, int size) {
  const Range* range = Find(port);
  if (range == nullptr) {
    unknown_.CountRead(port);
    return AllOnes(size);
  }
  const auto offset = static_cast<uint16_t>(port - range->first);
  if (range->width == Width::kNative || size == 1) {
    return range->device->Read(offset, size) & AllOnes(size);
  }
  uint32_t value = 0;
  for (int i = 0; i < size; ++i) {
    value |= Read(static_cast<uint16_t>(port + i), 1) << (8 * i);
  }
  return value;
}

void PortBus::Write(uint16_t port, int size, uint32_t value) {
  const Range* range = Find(port);
  if (range == nullptr) {
    unknown_.CountWrite(port);
    return;
  }
  const auto offset = static_cast<uint16_t>(port - range->first);
  if (range->width == Width::kNative || size == 1) {
    range->device->Write(offset, size, value & AllOnes(size));
    return;
  }
  for (int i = 0; i < size; ++i) {
    Write(static_cast<uint16_t>(port + i), 1, value >> (8 * i) & 0xff);
  }
}

}  // namespace muster::vmm
