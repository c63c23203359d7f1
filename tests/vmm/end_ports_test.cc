// Ports by which a guest ends the run, or resets its processors.

#include <string>

#include <catch2/catch.hpp>

#include <muster/vmm/device/bochs_shutdown.h>
#include <muster/vmm/device/debug_exit.h>
#include <muster/vmm/device/i8042.h>
#include <muster/vmm/device/port_bus.h>
#include <muster/vmm/device/power_off.h>
#include <muster/vmm/device/reset_ports.h>

#include "first_ending.h"

namespace muster::vmm {
namespace {

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

}  // namespace
}  // namespace muster::vmm
