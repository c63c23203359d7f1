#include <catch2/catch.hpp>

#include "ioapic_bench.h"

namespace muster::apic {

TEST_CASE("the I/O APIC is version 0x20 with 24 pins, or as many as wanted") {
  CHECK(IoApicBench().Read(1) == 0x00170020);
  CHECK(IoApicBench({.pins = 120}).Read(1) == 0x00770020);
  CHECK(IoApicBench({.pins = 0}).ioapic.pins() == 1);
  CHECK(IoApicBench({.pins = 255}).ioapic.pins() == kMaxIoApicPins);
}

TEST_CASE("the last entry that there can be is the last that IOREGSEL can select") {
  IoApicBench bench({.pins = 255});
  const auto last = static_cast<uint8_t>(bench.Read(1) >> 16);
  bench.WriteEntry(last, RteTo(7) | 0x41);
  CHECK(bench.ReadEntry(last) == (RteTo(7) | 0x41));
  CHECK(bench.ioapic.entry(last).raw == (RteTo(7) | 0x41));
  bench.Write(0xff, 0);
  CHECK(bench.ReadEntry(last) == 0x41);
}

TEST_CASE("the I/O APIC id has four bits, and arbitration follows it") {
  IoApicBench bench({.id = 5});
  CHECK(bench.Read(0) == 0x05000000);
  CHECK(bench.Read(2) == 0x05000000);
  bench.Write(0, 0xffffffff);
  CHECK(bench.Read(0) == 0x0f000000);
  CHECK(bench.Read(2) == 0x0f000000);
  bench.Write(2, 0);
  bench.Write(1, 0);
  CHECK(bench.Read(2) == 0x0f000000);
  CHECK(bench.Read(1) == 0x00170020);
}

TEST_CASE("entries are masked after power-on, and again after reset, lines stay") {
  IoApicBench bench({.id = 2});
  const IoApic fresh = bench.ioapic;
  for (unsigned pin = 0; pin < 24; ++pin) REQUIRE(bench.ReadEntry(pin) == kRteMasked);
  bench.Write(0, 0);
  bench.WriteEntry(3, RteTo(7) | kRteLevel | 0x41);
  bench.ioapic.Reset();
  CHECK(bench.ioapic == fresh);
  bench.ioapic.SetLine(3, true);
  bench.ioapic.Reset();
  CHECK(bench.ioapic.asserted(3));
}

TEST_CASE("each entry stores its writable bits and nothing else") {
  IoApicBench bench;
  for (unsigned pin = 0; pin < 24; ++pin) {
    bench.WriteEntry(pin, ~uint64_t{0});
    CHECK(bench.ReadEntry(pin) == 0xff0000000001afff);
    bench.WriteEntry(pin, 0);
    CHECK(bench.ReadEntry(pin) == 0);
  }
  CHECK(bench.ioapic.CheckInvariants() == nullptr);
}

TEST_CASE("the halves of an entry are written one by one") {
  IoApicBench bench;
  bench.Write(0x13, 0x12000000);
  CHECK(bench.ReadEntry(1) == (RteTo(0x12) | kRteMasked));
  bench.Write(0x12, 0x1a933);
  CHECK(bench.ReadEntry(1) == (RteTo(0x12) | 0x1a933));
  CHECK(bench.ReadEntry(0) == kRteMasked);
  CHECK(bench.ReadEntry(2) == kRteMasked);
}

TEST_CASE("registers that IOREGSEL can name but that do not exist read 0 and ignore writes") {
  IoApicBench bench;
  const IoApic before = bench.ioapic;
  for (unsigned reg = 0; reg < 256; ++reg) {
    if (reg < 3 || (reg >= 0x10 && reg < 0x40)) continue;
    CHECK(bench.Write(static_cast<uint8_t>(reg), 0xffffffff) == IoApicEffects());
    CHECK(bench.Read(static_cast<uint8_t>(reg)) == 0);
  }
  bench.Store<uint32_t>(kIoRegSel, 0);
  CHECK(bench.ioapic == before);
}

TEST_CASE("loads of the I/O APIC give the bytes of its two windows and zero elsewhere") {
  IoApicBench bench;
  bench.Store<uint8_t>(kIoRegSel, 1);
  CHECK(bench.Load<uint32_t>(kIoRegSel) == 1);
  CHECK(bench.Load<uint8_t>(kIoWin) == 0x20);
  CHECK(bench.Load<uint8_t>(kIoWin + 2) == 0x17);
  CHECK(bench.Load<uint16_t>(kIoWin + 2) == 0x0017);
  CHECK(bench.Load<uint64_t>(kIoWin) == 0x00170020);
  CHECK(bench.Load<uint32_t>(kIoWin + 4) == 0);
  CHECK(bench.Load<uint32_t>(0x20) == 0);
  CHECK(bench.Load<uint32_t>(kIoEoi) == 0);
  CHECK(bench.Load<uint64_t>(0xffffffff) == 0);
}

TEST_CASE("a store that is no access to a register has no effect and is counted") {
  IoApicBench bench;
  bench.Store<uint32_t>(kIoRegSel, 0x10);
  IoApic before = bench.ioapic;
  bench.Store<uint8_t>(kIoWin, 0x31);
  bench.Store<uint16_t>(kIoWin, 0x31);
  bench.Store<uint64_t>(kIoWin, 0x31);
  bench.Store<uint32_t>(kIoWin + 2, 0x31);
  bench.Store<uint32_t>(kIoRegSel + 1, 0x12);
  bench.Store<uint32_t>(0x20, 3);
  CHECK(bench.ioapic.counters().odd_accesses == 6);
  CHECK(bench.Load<uint32_t>(kIoRegSel) == 0x10);
  CHECK(bench.Load<uint32_t>(kIoWin) == kRteMasked);
}

TEST_CASE("only what changes where an interrupt goes, or as what, is a routing change") {
  struct Row {
    uint64_t bit;
    bool routing;
  };
  const Row row = GENERATE(values<Row>({{0x0000000000000001, true},   // vector
                                        {0x0000000000000100, true},   // delivery mode
                                        {0x0000000000000800, true},   // destination mode
                                        {0x0000000000008000, true},   // trigger mode
                                        {0x0100000000000000, true},   // destination
                                        {0x0000000000000000, false},  // nothing
                                        {0x0000000000001000, false},  // delivery status
                                        {0x0000000000002000, false},  // polarity
                                        {0x0000000000004000, false},  // remote IRR
                                        {0x0000000000010000, false},  // mask
                                        {0x0000000000020000, false},  // reserved
                                        {0x0001000000000000, false}}));
  IoApicBench bench;
  const uint64_t entry = RteTo(2) | 0x40;
  bench.WriteEntry(5, entry);
  const bool high = row.bit >> 32 != 0;
  const uint64_t changed = entry ^ row.bit;
  const IoApicEffects effects =
      bench.Write(high ? 0x1b : 0x1a, static_cast<uint32_t>(high ? changed >> 32 : changed));
  REQUIRE(effects.rerouted.has_value() == row.routing);
  if (row.routing) {
    CHECK(*effects.rerouted == RoutingChange{5, Rte(entry), Rte(changed)});
  }
}

}  // namespace muster::apic
