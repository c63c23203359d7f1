#include <catch2/catch.hpp>

#include <muster/apic/msi.h>

namespace muster::apic {

TEST_CASE("an MSI is a message") {
  const std::optional<Message> message = ToMessage({0xfee0700c, 0xc1a5});
  REQUIRE(message);
  CHECK(message->destination == 7);
  CHECK_FALSE(message->x2apic);
  CHECK(message->destination_mode == DestinationMode::kLogical);
  CHECK(message->delivery_mode == DeliveryMode::kLowestPriority);
  CHECK(message->trigger_mode == TriggerMode::kLevel);
  CHECK(message->level);
  CHECK(message->vector == 0xa5);
}

TEST_CASE("an edge MSI needs no level bit, a level MSI can de-assert") {
  CHECK(ToMessage({0xfee00000, 0x0031})->level);
  CHECK_FALSE(ToMessage({0xfee00000, 0x8031})->level);
}

TEST_CASE("an address outside the range of MSIs is no message") {
  CHECK_FALSE(ToMessage({0xfed00000, 0x31}));
  CHECK_FALSE(ToMessage({0xfef00000, 0x31}));
  CHECK_FALSE(ToMessage({0x1'fee00000, 0x31}));
}

TEST_CASE("messages with 8-bit destinations survive the way through an MSI") {
  for (uint32_t destination = 0; destination < 256; ++destination) {
    for (uint32_t mode = 0; mode < 8; ++mode) {
      Message message;
      message.destination = destination;
      message.destination_mode =
          destination % 3 == 0 ? DestinationMode::kLogical : DestinationMode::kPhysical;
      message.delivery_mode = static_cast<DeliveryMode>(mode);
      message.trigger_mode = destination % 2 == 0 ? TriggerMode::kLevel : TriggerMode::kEdge;
      message.vector = static_cast<uint8_t>(0xff - destination);
      REQUIRE(ToMessage(ToMsi(message)) == message);
    }
  }
}

}  // namespace muster::apic
