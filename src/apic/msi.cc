#include <muster/apic/bit_field.h>
#include <muster/apic/msi.h>

namespace muster::apic {
namespace {

constexpr uint64_t kMsiBase = 0xfee;

struct MsiAddress : RegisterValue<uint64_t> {
  using RegisterValue::RegisterValue;
  using Reserved0 = Bits<1, 0>;
  using Mode = Bits<2, 2, DestinationMode>;
  using RedirectionHint = Bits<3>;
  using Reserved4 = Bits<11, 4>;
  using Destination = Bits<19, 12>;
  using Base = Bits<63, 20, uint64_t>;
};
static_assert(
    kPartition<uint64_t, MsiAddress::Reserved0, MsiAddress::Mode, MsiAddress::RedirectionHint,
               MsiAddress::Reserved4, MsiAddress::Destination, MsiAddress::Base>);

struct MsiData : RegisterValue<uint32_t> {
  using RegisterValue::RegisterValue;
  using Vector = Bits<7, 0, uint8_t>;
  using Delivery = Bits<10, 8, DeliveryMode>;
  using Reserved11 = Bits<13, 11>;
  using Level = Bits<14>;
  using Trigger = Bits<15, 15, TriggerMode>;
  using Reserved16 = Bits<31, 16>;
};
static_assert(kPartition<uint32_t, MsiData::Vector, MsiData::Delivery, MsiData::Reserved11,
                         MsiData::Level, MsiData::Trigger, MsiData::Reserved16>);

}  // namespace

bool IsMsiAddress(uint64_t address) {
  return MsiAddress(address).Get<MsiAddress::Base>() == kMsiBase;
}

std::optional<Message> ToMessage(const Msi& msi) {
  const MsiAddress address(msi.address);
  const MsiData data(msi.data);
  if (!IsMsiAddress(msi.address)) return std::nullopt;
  Message message;
  message.destination = address.Get<MsiAddress::Destination>();
  message.destination_mode = address.Get<MsiAddress::Mode>();
  message.delivery_mode = data.Get<MsiData::Delivery>();
  message.trigger_mode = data.Get<MsiData::Trigger>();
  // The level means something to a level trigger only.
  message.level = message.trigger_mode == TriggerMode::kEdge || data.Get<MsiData::Level>();
  message.vector = data.Get<MsiData::Vector>();
  switch (message.delivery_mode) {
    case DeliveryMode::kReserved:
    case DeliveryMode::kStartup:
      return std::nullopt;
    case DeliveryMode::kFixed:
    case DeliveryMode::kLowestPriority:
      if (!message.level) return std::nullopt;
      break;
    default:
      break;
  }
  return message;
}

Msi ToMsi(const Message& message) {
  MsiAddress address;
  address.Set<MsiAddress::Base>(kMsiBase);
  address.Set<MsiAddress::Destination>(message.destination);
  address.Set<MsiAddress::Mode>(message.destination_mode);
  address.Set<MsiAddress::RedirectionHint>(message.delivery_mode == DeliveryMode::kLowestPriority);
  MsiData data;
  data.Set<MsiData::Delivery>(message.delivery_mode);
  data.Set<MsiData::Trigger>(message.trigger_mode);
  data.Set<MsiData::Level>(message.level);
  data.Set<MsiData::Vector>(message.vector);
  return {address.raw, data.raw};
}

}  // namespace muster::apic
