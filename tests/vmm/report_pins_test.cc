// Pins of the I/O APIC that wait for an EOI.

#include <catch2/catch.hpp>

#include <muster/vmm/report/pins.h>

#include "report_fixture.h"

namespace muster::vmm {
namespace {

using testing::Cpu;
using vcpu::Inspection;
using vcpu::RunState;

// Pin 5 as a level, vector 0x41, raised; its message is on its way.
apic::IoApic LevelOnPin5() {
  apic::IoApic ioapic({});
  const auto store = [&ioapic](uint8_t reg, uint32_t value) {
    std::vector<uint8_t> bytes;
    for (int i = 0; i < 4; ++i) bytes.push_back(static_cast<uint8_t>(value >> (8 * i)));
    ioapic.MmioWrite(apic::kIoRegSel, std::vector<uint8_t>{reg});
    ioapic.MmioWrite(apic::kIoWin, bytes);
  };
  store(0x10 + 2 * 5, 0x8041);
  ioapic.SetLine(5, true);
  return ioapic;
}

TEST_CASE("a pin whose Remote IRR is set: whose EOI it waits for, or that nobody can give it") {
  std::vector<Inspection> vcpus = {Cpu(0, RunState::kRunning), Cpu(1, RunState::kHalted)};
  CHECK(PinsAwaitingEoi(apic::IoApic({}), vcpus).empty());
  const apic::IoApic ioapic = LevelOnPin5();
  CHECK(PinsAwaitingEoi(ioapic, vcpus) == std::vector<WaitingPin>{{5, 0x41, {}}});
  CHECK(RenderPins(PinsAwaitingEoi(ioapic, vcpus)) ==
        "  I/O APIC pin 5: Remote IRR is set for vector 41, which no CPU has: stuck\n");
  vcpus[1].mailbox = {0x41};
  CHECK(PinsAwaitingEoi(ioapic, vcpus) == std::vector<WaitingPin>{{5, 0x41, {1}}});
  CHECK(RenderPins(PinsAwaitingEoi(ioapic, vcpus)) ==
        "  I/O APIC pin 5: Remote IRR is set for vector 41 until the EOI of CPU 1\n");
  vcpus[0].isr = {0x41};
  CHECK(RenderPins(PinsAwaitingEoi(ioapic, vcpus)) ==
        "  I/O APIC pin 5: Remote IRR is set for vector 41 until the EOI of CPU 0 or of 1 others "
        "that have it\n");
}

}  // namespace
}  // namespace muster::vmm
