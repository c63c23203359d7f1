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

TEST_CASE("an edge MSI needs no level bit, and a level that is de-asserted sends nothing") {
  for (const uint32_t mode : {0x000, 0x100}) {
    CHECK(ToMessage({0xfee00000, mode | 0x0031})->level);
    CHECK(ToMessage({0xfee00000, mode | 0xc031})->level);
    CHECK_FALSE(ToMessage({0xfee00000, mode | 0x8031}));
  }
  // An NMI is an edge, "even if programmed otherwise".
  CHECK(ToMessage({0xfee00000, 0x8400}));
}

TEST_CASE("an MSI of a reserved delivery mode sends nothing, so that none is a SIPI") {
  for (const uint32_t data : {0x331, 0x608, 0x4608, 0xc608}) {
    CHECK_FALSE(ToMessage({0xfee01000, data}));
  }
  CHECK(ToMessage({0xfee01000, 0x4500})->delivery_mode == DeliveryMode::kInit);
}

TEST_CASE("an address outside the range of MSIs is no message") {
  CHECK(IsMsiAddress(0xfee00000));
  CHECK(IsMsiAddress(0xfeefffff));
  for (const uint64_t address : {0xfed00000ull, 0xfef00000ull, 0x1'fee00000ull}) {
    CHECK_FALSE(IsMsiAddress(address));
  }
  CHECK_FALSE(ToMessage({0xfed00000, 0x31}));
  CHECK_FALSE(ToMessage({0xfef00000, 0x31}));
  CHECK_FALSE(ToMessage({0x1'fee00000, 0x31}));
}

TEST_CASE("messages with 8-bit destinations survive the way through an MSI") {
  for (uint32_t destination = 0; destination < 256; ++destination) {
    for (const uint32_t mode : {0, 1, 2, 4, 5, 7}) {
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
