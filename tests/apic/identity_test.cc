#include <catch2/catch.hpp>

#include <muster/apic/identity.h>

namespace muster::apic {
namespace {

Message To(uint32_t destination, DestinationMode mode, bool x2apic) {
  Message message;
  message.destination = destination;
  message.destination_mode = mode;
  message.x2apic = x2apic;
  return message;
}
Message Physical8(uint32_t destination) {
  return To(destination, DestinationMode::kPhysical, false);
}
Message Physical32(uint32_t destination) {
  return To(destination, DestinationMode::kPhysical, true);
}
Message Logical8(uint32_t destination) { return To(destination, DestinationMode::kLogical, false); }
Message Logical32(uint32_t destination) { return To(destination, DestinationMode::kLogical, true); }

Identity Xapic(uint32_t id, uint8_t logical_id = 0, LogicalModel model = LogicalModel::kFlat) {
  return {.id = id, .ldr = uint32_t{logical_id} << 24, .model = model, .mode = ApicMode::kXapic};
}
Identity X2Apic(uint32_t id) {
  return {.id = id, .ldr = LogicalX2ApicId(id), .mode = ApicMode::kX2apic};
}

}  // namespace

TEST_CASE("a physical destination names one id") {
  for (uint32_t id = 0; id < 0xff; ++id) {
    REQUIRE(Addresses(Physical8(7), Xapic(id)) == (id == 7));
    REQUIRE(Addresses(Physical8(7), X2Apic(id)) == (id == 7));
    REQUIRE(Addresses(Physical32(7), Xapic(id)) == (id == 7));
    REQUIRE(Addresses(Physical32(7), X2Apic(id)) == (id == 7));
  }
}

TEST_CASE("a 32-bit physical destination reaches ids past 254") {
  CHECK(Addresses(Physical32(300), X2Apic(300)));
  CHECK_FALSE(Addresses(Physical32(300), X2Apic(44)));
  CHECK(Addresses(Physical32(0xff), X2Apic(0xff)));
  CHECK_FALSE(Addresses(Physical32(0xff), X2Apic(3)));
}

TEST_CASE("in xAPIC mode an id past 254 aliases by its low 8 bits") {
  CHECK(Addresses(Physical8(44), Xapic(300)));
  CHECK(Addresses(Physical8(44), Xapic(44)));
  CHECK_FALSE(Addresses(Physical8(44), X2Apic(300)));
  CHECK_FALSE(Addresses(Physical32(300), Xapic(300)));
}

TEST_CASE("all ones is a broadcast, physical and logical, in the sender's width") {
  for (const Identity& identity :
       {Xapic(1), Xapic(1, 0, LogicalModel::kCluster), Xapic(2, 4), X2Apic(1), X2Apic(1000)}) {
    CHECK(Addresses(Physical8(0xff), identity));
    CHECK(Addresses(Logical8(0xff), identity));
    CHECK(Addresses(Physical32(0xffffffff), identity));
    CHECK(Addresses(Logical32(0xffffffff), identity));
    CHECK_FALSE(Addresses(Physical32(0xff), identity));
  }
}

TEST_CASE("a disabled APIC is addressed by nothing") {
  Identity identity = Xapic(1, 1);
  identity.mode = ApicMode::kDisabled;
  CHECK_FALSE(Addresses(Physical8(1), identity));
  CHECK_FALSE(Addresses(Logical8(1), identity));
  CHECK_FALSE(Addresses(Physical8(0xff), identity));
  CHECK_FALSE(Addresses(Logical32(0xffffffff), identity));
}

TEST_CASE("software disable does not change who is addressed") {
  Identity identity = Xapic(1, 1);
  for (const bool enabled : {false, true}) {
    identity.software_enabled = enabled;
    CHECK(Addresses(Physical8(1), identity));
    CHECK(Addresses(Logical8(1), identity));
  }
}

TEST_CASE("flat model: any common bit of the eight") {
  for (unsigned destination = 0; destination < 0xff; ++destination) {
    for (unsigned logical_id = 0; logical_id < 256; ++logical_id) {
      const Identity identity = Xapic(9, static_cast<uint8_t>(logical_id));
      REQUIRE(Addresses(Logical8(destination), identity) == ((destination & logical_id) != 0));
    }
  }
}

TEST_CASE("cluster model: the same cluster and any common bit of the four") {
  const auto addressed = [](uint32_t destination, uint8_t logical_id) {
    return Addresses(Logical8(destination), Xapic(9, logical_id, LogicalModel::kCluster));
  };
  CHECK(addressed(0x21, 0x21));
  CHECK(addressed(0x23, 0x22));
  CHECK_FALSE(addressed(0x23, 0x24));
  CHECK_FALSE(addressed(0x23, 0x32));
  CHECK_FALSE(addressed(0x20, 0x20));
  CHECK_FALSE(addressed(0xf1, 0x11));
}

TEST_CASE("a DFR that is neither flat nor cluster is addressed by broadcast only") {
  const Identity identity = Xapic(9, 0x21, static_cast<LogicalModel>(5));
  CHECK_FALSE(Addresses(Logical8(0x21), identity));
  CHECK(Addresses(Logical8(0xff), identity));
  CHECK(Addresses(Physical8(9), identity));
}

TEST_CASE("the logical x2APIC id is derived: sixteen to a cluster") {
  CHECK(LogicalX2ApicId(0) == 0x00000001);
  CHECK(LogicalX2ApicId(15) == 0x00008000);
  CHECK(LogicalX2ApicId(16) == 0x00010001);
  CHECK(LogicalX2ApicId(1023) == 0x003f8000);
}

TEST_CASE("x2APIC logical: the same cluster and any common bit of the sixteen") {
  CHECK(Addresses(Logical32(0x00010003), X2Apic(16)));
  CHECK(Addresses(Logical32(0x00010003), X2Apic(17)));
  CHECK_FALSE(Addresses(Logical32(0x00010003), X2Apic(18)));
  CHECK_FALSE(Addresses(Logical32(0x00010003), X2Apic(0)));
}

TEST_CASE("an 8-bit logical destination reaches the first half of x2APIC cluster 0") {
  CHECK(Addresses(Logical8(0x80), X2Apic(7)));
  CHECK_FALSE(Addresses(Logical8(0x80), X2Apic(8)));
  CHECK_FALSE(Addresses(Logical8(0x80), X2Apic(23)));
}

TEST_CASE("a logical destination past 8 bits means nothing in xAPIC mode") {
  CHECK(Addresses(Logical32(0x01), Xapic(9, 0x01)));
  CHECK_FALSE(Addresses(Logical32(0x00010001), Xapic(9, 0x01)));
}

}  // namespace muster::apic
