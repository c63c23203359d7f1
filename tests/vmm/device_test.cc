#include <optional>
#include <string>

#include <catch2/catch.hpp>

#include <muster/vmm/device/bochs_shutdown.h>
#include <muster/vmm/device/cmos.h>
#include <muster/vmm/device/crtc.h>
#include <muster/vmm/device/debug_console.h>
#include <muster/vmm/device/debug_exit.h>
#include <muster/vmm/device/fw_cfg.h>
#include <muster/vmm/device/i8042.h>
#include <muster/vmm/device/pci_config.h>
#include <muster/vmm/device/pm1_event.h>
#include <muster/vmm/device/port_bus.h>
#include <muster/vmm/device/power_off.h>
#include <muster/vmm/device/reset_ports.h>
#include <muster/vmm/device/test_device.h>

#include "fake_timer.h"

namespace muster::vmm {
namespace {

class FirstEnding : public RunControl {
 public:
  void End(Ending ending) override {
    if (!ending_) ending_ = ending;
  }
  void SoftReset() override { ++soft_resets; }
  std::string Word() const { return ending_ ? ToString(ending_->kind) : "none"; }
  const std::optional<Ending>& get() const { return ending_; }
  int soft_resets = 0;

 private:
  std::optional<Ending> ending_;
};

struct NoLines : IrqSink {
  void SetLine(unsigned, bool) override {}
};

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

TEST_CASE("the debug-exit port gives (v << 1) | 1 and keeps the whole of v") {
  FirstEnding ending;
  DebugExit device(ending);
  device.Write(0, 1, 0x10);
  REQUIRE(ending.get());
  CHECK(ExitStatusOf(*ending.get()) == 33);
  CHECK_FALSE(IsTruncated(*ending.get()));

  FirstEnding large;
  DebugExit(large).Write(0, 4, 0x181);
  CHECK(large.get()->guest_value == 0x181);
  CHECK(ExitStatusOf(*large.get()) == 3);
  CHECK(IsTruncated(*large.get()));
}

TEST_CASE("only SLP_EN with sleep type 0 powers off") {
  for (uint32_t value : {0x0000u, 0x0001u, 0x1c00u, 0x2400u, 0x3c00u}) {
    FirstEnding ending;
    PowerOff(ending).Write(0, 2, value);
    CHECK(ending.Word() == "none");
  }
  FirstEnding ending;
  PowerOff(ending).Write(0, 2, 0x2000);
  CHECK(ending.Word() == "power-off");
  FirstEnding upper;
  PowerOff(upper).Write(1, 1, 0x20);
  CHECK(upper.Word() == "power-off");
  FirstEnding by_table;
  PowerOff(by_table).Write(0, 2, AcpiMachine::kSoftOffType << 10);
  CHECK(by_table.Word() == "none");
  PowerOff(by_table).Write(0, 2, AcpiMachine::kSoftOffType << 10 | 0x2001);
  CHECK(by_table.Word() == "power-off");
}

TEST_CASE("each reset port resets the processors on its own value alone") {
  FirstEnding keyboard;
  NoLines no_lines;
  I8042 i8042(keyboard, no_lines);
  PortDevice& port64 = i8042.command();
  port64.Write(0, 1, 0xd1);
  i8042.data().Write(0, 1, 0xdf);
  CHECK(keyboard.soft_resets == 0);
  CHECK((port64.Read(0, 1) & 2) == 0);
  port64.Write(0, 1, 0xfe);
  CHECK(keyboard.soft_resets == 1);
  port64.Write(0, 1, 0xd1);
  i8042.data().Write(0, 1, 0xde);
  CHECK(keyboard.soft_resets == 2);

  FirstEnding system;
  SystemControlA port92(system);
  CHECK(port92.Read(0, 1) == 2);
  port92.Write(0, 1, 0);
  CHECK(system.soft_resets == 0);
  port92.Write(0, 1, 3);
  CHECK(system.soft_resets == 1);
  CHECK(port92.Read(0, 1) == 2);
  port92.Write(0, 1, 3);
  CHECK(system.soft_resets == 2);

  FirstEnding control;
  ResetControl cf9(control);
  cf9.Write(0, 1, 2);
  CHECK(control.soft_resets == 0);
  CHECK(cf9.Read(0, 1) == 2);
  cf9.Write(0, 1, 4);
  CHECK(control.soft_resets == 1);
  for (const FirstEnding* ending : {&keyboard, &system, &control}) CHECK(ending->Word() == "none");
}

TEST_CASE("0xcf9 with bits 1 and 2 resets the machine, which ends the run") {
  FirstEnding ending;
  ResetControl(ending).Write(0, 1, 6);
  CHECK(ending.Word() == "reset");
  CHECK(ending.soft_resets == 0);
}

TEST_CASE("the word Shutdown to port 0x8900 powers off, wherever it begins") {
  FirstEnding ending;
  BochsShutdown device(ending);
  for (char c : std::string("SShuShutdow")) device.Write(0, 1, static_cast<uint8_t>(c));
  CHECK(ending.Word() == "none");
  device.Write(0, 1, 'n');
  CHECK(ending.Word() == "power-off");
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

// The keyboard controller with its line.
struct Keyboard : IrqSink {
  void SetLine(unsigned number, bool asserted) override {
    CHECK(number == 1);
    line += asserted ? "+" : "-";
  }
  // What it has to say; -1 where it says nothing.
  int Next() {
    if ((i8042.command().Read(0, 1) & 1) == 0) return -1;
    return static_cast<int>(i8042.data().Read(0, 1));
  }
  std::vector<int> All() {
    std::vector<int> all;
    for (int next = Next(); next >= 0; next = Next()) all.push_back(next);
    return all;
  }
  void Command(uint8_t value) { i8042.command().Write(0, 1, value); }
  void Data(uint8_t value) { i8042.data().Write(0, 1, value); }

  std::string line;
  FirstEnding control;
  I8042 i8042{control, *this};
};

TEST_CASE("the keyboard controller answers at once all that a kernel's probe waits for") {
  Keyboard keyboard;
  CHECK(keyboard.Next() == -1);
  CHECK((keyboard.i8042.command().Read(0, 1) & 2) == 0);  // it takes commands
  keyboard.Command(0xaa);
  CHECK(keyboard.Next() == 0x55);
  keyboard.Command(0x20);
  CHECK(keyboard.Next() == 0x74);
  keyboard.Command(0x60);
  keyboard.Data(0x30);
  keyboard.Command(0xae);
  keyboard.Command(0x20);
  CHECK(keyboard.Next() == 0x20);
  keyboard.Command(0xab);
  CHECK(keyboard.Next() == 0);
  keyboard.Command(0xd0);
  CHECK((keyboard.Next() & 3) == 3);  // no reset, A20
  CHECK(keyboard.All().empty());
}

TEST_CASE("the keyboard controller's second port is found missing without a wait") {
  Keyboard keyboard;
  keyboard.Command(0xd3);
  keyboard.Data(0x5a);
  CHECK((keyboard.i8042.command().Read(0, 1) & 0x21) == 0x01);  // not of the second port
  CHECK(keyboard.Next() == 0x5a);
  keyboard.Command(0xa9);
  CHECK(keyboard.Next() == 1);
  keyboard.Command(0xd4);
  keyboard.Data(0xf2);
  CHECK(keyboard.Next() == -1);
}

TEST_CASE("the keyboard acknowledges, names itself and passes its test") {
  using Bytes = std::vector<int>;
  Keyboard keyboard;
  keyboard.Data(0xff);
  CHECK(keyboard.All() == Bytes{0xfa, 0xaa});
  keyboard.Data(0xf2);
  CHECK(keyboard.All() == Bytes{0xfa, 0xab, 0x83});
  keyboard.Data(0xed);
  keyboard.Data(0xf2);  // its parameter
  CHECK(keyboard.All() == Bytes{0xfa, 0xfa});
  keyboard.Data(0xf0);
  keyboard.Data(0);
  CHECK(keyboard.All() == Bytes{0xfa, 0xfa, 2});
  keyboard.Data(0xee);
  CHECK(keyboard.All() == Bytes{0xee});
}

TEST_CASE("each byte of the keyboard's is an edge of IRQ 1 where that is enabled") {
  Keyboard keyboard;
  keyboard.Data(0xf4);
  CHECK(keyboard.line == "");
  keyboard.All();
  keyboard.Command(0x60);
  keyboard.Data(0x45);
  keyboard.Data(0xf2);
  CHECK(keyboard.line == "+");
  keyboard.Next();
  CHECK(keyboard.line == "+-+");
  keyboard.All();
  CHECK(keyboard.line == "+-+-+-");
}

TEST_CASE("a guest that does not read what the keyboard says cannot make it grow") {
  Keyboard keyboard;
  for (int i = 0; i < 1'000; ++i) keyboard.Data(0xf2);
  CHECK(keyboard.All().size() == 16);
  keyboard.Data(0xee);
  CHECK(keyboard.Next() == 0xee);
  keyboard.Data(0xee);
  keyboard.i8042.AsFirmwareLeaves();
  CHECK(keyboard.Next() == -1);
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

uint32_t ReadCmos(Cmos& cmos, uint8_t index) {
  cmos.Write(0, 1, index);
  return cmos.Read(1, 1);
}

TEST_CASE("CMOS tells the RAM, and keeps the shutdown status") {
  constexpr uint64_t kMib = uint64_t{1} << 20;
  NoLines no_lines;
  FakeTimer timer;
  Rtc clock(no_lines, timer);
  Cmos cmos(clock, 3072 * kMib, 5120 * kMib);
  const auto word = [&cmos](uint8_t index) {
    return ReadCmos(cmos, index) | ReadCmos(cmos, static_cast<uint8_t>(index + 1)) << 8;
  };
  CHECK(word(0x15) == 640);
  CHECK(word(0x17) == 0xffff);
  CHECK(word(0x34) == (3072 - 16) * 16);
  CHECK(word(0x5b) == (5120 * 16 & 0xffff));
  CHECK(ReadCmos(cmos, 0x5d) == (5120 * 16) >> 16);
  CHECK(ReadCmos(cmos, 0x0f) == 0);
  cmos.Write(0, 1, 0x8f);  // with NMIs masked
  cmos.Write(1, 1, 0x0a);
  CHECK(ReadCmos(cmos, 0x0f) == 0x0a);
}

std::vector<uint8_t> ReadKey(FwCfg& device, uint16_t key, int count) {
  device.Write(0, 2, key);
  std::vector<uint8_t> bytes;
  for (int i = 0; i < count; ++i) bytes.push_back(static_cast<uint8_t>(device.Read(1, 1)));
  return bytes;
}

TEST_CASE("fw_cfg tells what it is, the RAM and the CPUs, and zeros for the rest") {
  FwCfg device(uint64_t{5} << 30, 300);
  using Bytes = std::vector<uint8_t>;
  CHECK(ReadKey(device, 0, 5) == Bytes{'Q', 'E', 'M', 'U', 0});
  CHECK(ReadKey(device, 1, 4) == Bytes{1, 0, 0, 0});
  CHECK(ReadKey(device, 3, 8) == Bytes{0, 0, 0, 0x40, 1, 0, 0, 0});
  CHECK(ReadKey(device, 5, 2) == Bytes{0x2c, 1});
  CHECK(ReadKey(device, 0x11, 8) == Bytes{0, 0, 0, 0x40, 1, 0, 0, 0});
  CHECK(ReadKey(device, 0xf, 2) == Bytes{0x2c, 1});
  CHECK(ReadKey(device, 0x8000, 3) == Bytes{0, 0, 0});
  CHECK(ReadKey(device, 0, 1) == Bytes{'Q'});  // selecting begins anew
}

}  // namespace
}  // namespace muster::vmm
