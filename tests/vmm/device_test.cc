// Small devices, a few registers each.

#include <string>

#include <catch2/catch.hpp>

#include <muster/vmm/device/crtc.h>
#include <muster/vmm/device/pci_config.h>
#include <muster/vmm/device/pm1_event.h>
#include <muster/vmm/device/port_bus.h>
#include <muster/vmm/device/reset_ports.h>
#include <muster/vmm/device/test_device.h>

#include "first_ending.h"

namespace muster::vmm {
namespace {

TEST_CASE("the PM1 event block has no event, and keeps which are enabled") {
  Pm1Event events;
  PortBus bus;
  bus.Attach(Pm1Event::kPort, Pm1Event::kPorts, PortBus::Width::kBytes, events);
  bus.Write(0x600, 2, 0xffff);
  CHECK(bus.Read(0x600, 2) == 0);
  bus.Write(0x602, 2, 0x0520);
  CHECK(bus.Read(0x602, 2) == 0x0520);
  CHECK(bus.Read(0x600, 4) == 0x05200000);
  CHECK(bus.unknown().Rows().empty());
}

TEST_CASE("the CRT controller gives back what was written, register by register") {
  Crtc crtc;
  crtc.Write(0, 1, 14);
  crtc.Write(1, 1, 0x12);
  crtc.Write(0, 1, 15);
  crtc.Write(1, 1, 0x34);
  CHECK(crtc.Read(0, 1) == 15);
  CHECK(crtc.Read(1, 1) == 0x34);
  crtc.Write(0, 1, 14);
  CHECK(crtc.Read(1, 1) == 0x12);
}

TEST_CASE("the test device sets the line of each port") {
  struct Lines : IrqSink {
    void SetLine(unsigned line, bool asserted) override {
      log += std::to_string(line) + (asserted ? "+ " : "- ");
    }
    std::string log;
  } lines;
  TestLines device(lines);
  device.Write(9, 1, 1);
  device.Write(9, 1, 0);
  device.Write(23, 1, 0xff);
  device.Write(0, 1, 1);
  CHECK(lines.log == "9+ 9- 23+ 0+ ");
}

TEST_CASE("the test device's bytes give back what was written, in any width") {
  PortBus bus;
  TestBytes device;
  bus.Attach(TestBytes::kPort, TestBytes::kPorts, PortBus::Width::kBytes, device);
  bus.Write(0xe0, 4, 0x12345678);
  CHECK(bus.Read(0xe0, 4) == 0x12345678);
  CHECK(bus.Read(0xe1, 1) == 0x56);
  bus.Write(0xe2, 2, 0xabcd);
  CHECK(bus.Read(0xe0, 4) == 0xabcd5678);
}

TEST_CASE("PCI configuration is there, its bus is empty, and port 0xcf9 stays a byte of its own") {
  PortBus bus;
  PciConfig pci;
  FirstEnding ending;
  ResetControl reset(ending);
  bus.Attach(ResetControl::kPort, 1, PortBus::Width::kBytes, reset);
  bus.Attach(PciConfig::kAddress, 1, PortBus::Width::kNative, pci.address());
  bus.Attach(PciConfig::kUnused, PciConfig::kUnusedPorts, PortBus::Width::kBytes, pci.nothing());
  bus.Attach(PciConfig::kData, PciConfig::kDataPorts, PortBus::Width::kNative, pci.nothing());
  bus.Write(0xcfb, 1, 1);
  bus.Write(0xcf8, 4, 0x80000606);
  CHECK(ending.Word() == "none");  // though its second byte says reset
  CHECK(bus.Read(0xcf8, 4) == 0x80000604);
  bus.Write(0xcf8, 1, 0);
  CHECK(bus.Read(0xcf8, 4) == 0x80000604);
  CHECK(bus.Read(0xcfc, 4) == 0xffffffff);
  CHECK(bus.Read(0xcfe, 2) == 0xffff);
  bus.Write(0xcfc, 4, 0);
  CHECK(bus.Read(0xcfc, 1) == 0xff);
  CHECK(bus.unknown().Rows().empty());
  bus.Write(0xcf9, 1, 6);
  CHECK(ending.Word() == "reset");
}

}  // namespace
}  // namespace muster::vmm
