// Ports, and who serves them.

#include <string>

#include <catch2/catch.hpp>

#include <muster/vmm/device/port_bus.h>

namespace muster::vmm {
namespace {

// Remembers accesses as "r1@0 w2@1=ff00".
class Recorder : public PortDevice {
 public:
  uint32_t Read(uint16_t offset, int size) override {
    log += "r" + std::to_string(size) + "@" + std::to_string(offset) + " ";
    return 0x11223344u + offset;
  }
  void Write(uint16_t offset, int size, uint32_t value) override {
    log += "w" + std::to_string(size) + "@" + std::to_string(offset) + "=" + std::to_string(value) +
           " ";
  }
  std::string log;
};

TEST_CASE("a port that nobody serves reads all ones, drops writes and is counted") {
  PortBus bus;
  CHECK(bus.Read(0x70, 1) == 0xff);
  CHECK(bus.Read(0x70, 2) == 0xffff);
  CHECK(bus.Read(0xcf8, 4) == 0xffffffff);
  bus.Write(0xcf8, 4, 0x80000000);
  const auto rows = bus.unknown().Rows();
  REQUIRE(rows.size() == 2);
  CHECK((rows[0].address == 0x70 && rows[0].reads == 2 && rows[0].writes == 0));
  CHECK((rows[1].address == 0xcf8 && rows[1].reads == 1 && rows[1].writes == 1));
}

TEST_CASE("counting unknown ports is bounded") {
  PortBus bus;
  for (int port = 0; port < 1000; ++port) bus.Read(static_cast<uint16_t>(port), 1);
  CHECK(bus.unknown().Rows().size() == AccessCounts::kMostAddresses);
  CHECK(bus.unknown().others() == 1000 - AccessCounts::kMostAddresses);
}

TEST_CASE("a byte-wide device sees a wide access as bytes, which may run past it") {
  PortBus bus;
  Recorder device;
  bus.Attach(0x10, 2, PortBus::Width::kBytes, device);
  bus.Write(0x10, 4, 0x04030201);
  CHECK(device.log == "w1@0=1 w1@1=2 ");
  CHECK(bus.unknown().Rows().size() == 2);  // 0x12 and 0x13
  CHECK(bus.Read(0x11, 2) == 0xff45);
}

TEST_CASE("a native device sees the access as it is made, cut to its size") {
  PortBus bus;
  Recorder device;
  bus.Attach(0x10, 2, PortBus::Width::kNative, device);
  bus.Write(0x10, 2, 0xffff1234);
  CHECK(device.log == "w2@0=4660 ");
  CHECK(bus.Read(0x10, 2) == 0x3344);
}

}  // namespace
}  // namespace muster::vmm
