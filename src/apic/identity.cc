#include <muster/apic/identity.h>

namespace muster::apic {
namespace {

constexpr uint32_t kBroadcast8 = 0xff;
constexpr uint32_t kBroadcast32 = 0xffffffff;

bool AddressesXapicLogical(uint32_t destination, const Identity& identity) {
  const uint32_t logical_id = identity.ldr >> 24;
  switch (identity.model) {
    case LogicalModel::kFlat:
      return (destination & logical_id) != 0;
    case LogicalModel::kCluster:
      return destination >> 4 == logical_id >> 4 && (destination & logical_id & 0xf) != 0;
  }
  return false;
}

bool AddressesX2ApicLogical(uint32_t destination, const Identity& identity) {
  return destination >> 16 == identity.ldr >> 16 && (destination & identity.ldr & 0xffff) != 0;
}

}  // namespace

bool Addresses(const Message& message, const Identity& identity) {
  if (identity.mode == ApicMode::kDisabled) return false;
  if (message.destination == (message.x2apic ? kBroadcast32 : kBroadcast8)) return true;

  const bool logical = message.destination_mode == DestinationMode::kLogical;
  if (identity.mode == ApicMode::kX2apic) {
    return logical ? AddressesX2ApicLogical(message.destination, identity)
                   : message.destination == identity.id;
  }
  if (message.destination > 0xff) return false;
  return logical ? AddressesXapicLogical(message.destination, identity)
                 : message.destination == (identity.id & 0xff);
}

}  // namespace muster::apic
