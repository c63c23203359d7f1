#include <catch2/catch.hpp>

#include "ioapic_bench.h"

namespace muster::apic {
namespace {

constexpr unsigned kPin = 9;
constexpr uint8_t kVector = 0x61;

IoApicBench With(uint64_t entry) {
  IoApicBench bench;
  bench.WriteEntry(kPin, entry);
  return bench;
}

size_t Sent(const IoApicEffects& effects) { return effects.messages.size(); }

}  // namespace

TEST_CASE("an edge sends once, however long the line stays up") {
  IoApicBench bench = With(kVector | RteTo(3));
  const IoApicEffects effects = bench.ioapic.SetLine(kPin, true);
  Message message;
  message.destination = 3;
  message.vector = kVector;
  REQUIRE(Sent(effects) == 1);
  CHECK(effects.messages[0] == PinMessage{kPin, message});
  CHECK(Sent(bench.ioapic.SetLine(kPin, true)) == 0);
  CHECK(Sent(bench.ioapic.SetLine(kPin, false)) == 0);
  CHECK(Sent(bench.ioapic.SetLine(kPin, true)) == 1);
  CHECK(bench.ReadEntry(kPin) == (kVector | RteTo(3)));
}

TEST_CASE("an edge on a masked pin is lost") {
  IoApicBench bench = With(kVector | kRteMasked);
  CHECK(Sent(bench.ioapic.SetLine(kPin, true)) == 0);
  CHECK(bench.ioapic.counters().lost_edges == 1);
  CHECK(Sent(bench.WriteEntry(kPin, kVector)) == 0);
  bench.ioapic.SetLine(kPin, false);
  CHECK(Sent(bench.ioapic.SetLine(kPin, true)) == 1);
}

TEST_CASE("a level sends once until EOI, and again if it is still up") {
  IoApicBench bench = With(kVector | kRteLevel);
  const IoApicEffects effects = bench.ioapic.SetLine(kPin, true);
  REQUIRE(Sent(effects) == 1);
  CHECK(effects.messages[0].message.trigger_mode == TriggerMode::kLevel);
  CHECK(effects.messages[0].message.level);
  CHECK(bench.ReadEntry(kPin) == (kVector | kRteLevel | kRteRemoteIrr));
  CHECK(Sent(bench.ioapic.SetLine(kPin, false)) == 0);
  CHECK(Sent(bench.ioapic.SetLine(kPin, true)) == 0);
  CHECK(Sent(bench.ioapic.Eoi(kVector)) == 1);
  bench.ioapic.SetLine(kPin, false);
  CHECK(Sent(bench.ioapic.Eoi(kVector)) == 0);
  CHECK(bench.ReadEntry(kPin) == (kVector | kRteLevel));
}

TEST_CASE("a level on a masked pin waits for the unmask") {
  IoApicBench bench = With(kVector | kRteLevel | kRteMasked);
  CHECK(Sent(bench.ioapic.SetLine(kPin, true)) == 0);
  CHECK(Sent(bench.WriteEntry(kPin, kVector | kRteLevel)) == 1);
}

TEST_CASE("a level that went away while masked is gone") {
  IoApicBench bench = With(kVector | kRteLevel | kRteMasked);
  bench.ioapic.SetLine(kPin, true);
  bench.ioapic.SetLine(kPin, false);
  CHECK(Sent(bench.WriteEntry(kPin, kVector | kRteLevel)) == 0);
}

TEST_CASE("masking and unmasking a level in service does not send it twice") {
  IoApicBench bench = With(kVector | kRteLevel);
  bench.ioapic.SetLine(kPin, true);
  bench.WriteEntry(kPin, kVector | kRteLevel | kRteMasked);
  CHECK(Sent(bench.WriteEntry(kPin, kVector | kRteLevel)) == 0);
  CHECK((bench.ReadEntry(kPin) & kRteRemoteIrr) != 0);
}

TEST_CASE("EOI of a masked level clears remote IRR, the unmask sends") {
  IoApicBench bench = With(kVector | kRteLevel);
  bench.ioapic.SetLine(kPin, true);
  bench.WriteEntry(kPin, kVector | kRteLevel | kRteMasked);
  CHECK(Sent(bench.ioapic.Eoi(kVector)) == 0);
  CHECK((bench.ReadEntry(kPin) & kRteRemoteIrr) == 0);
  CHECK(Sent(bench.WriteEntry(kPin, kVector | kRteLevel)) == 1);
}

TEST_CASE("EOI of another vector means nothing to a pin") {
  IoApicBench bench = With(kVector | kRteLevel);
  bench.ioapic.SetLine(kPin, true);
  CHECK(Sent(bench.ioapic.Eoi(kVector + 1)) == 0);
  CHECK((bench.ReadEntry(kPin) & kRteRemoteIrr) != 0);
}

TEST_CASE("EOI reaches every pin that shares the vector") {
  IoApicBench bench = With(kVector | kRteLevel);
  bench.WriteEntry(kPin + 1, kVector | kRteLevel);
  bench.ioapic.SetLine(kPin, true);
  bench.ioapic.SetLine(kPin + 1, true);
  const IoApicEffects effects = bench.ioapic.Eoi(kVector);
  REQUIRE(Sent(effects) == 2);
  CHECK(effects.messages[0].pin == kPin);
  CHECK(effects.messages[1].pin == kPin + 1);
}

TEST_CASE("the EOI register directs an EOI at this I/O APIC") {
  IoApicBench bench = With(kVector | kRteLevel);
  bench.ioapic.SetLine(kPin, true);
  CHECK(Sent(bench.Store<uint32_t>(kIoEoi, kVector)) == 1);
  bench.ioapic.SetLine(kPin, false);
  CHECK(Sent(bench.Store<uint8_t>(kIoEoi, kVector)) == 0);
  CHECK((bench.ReadEntry(kPin) & kRteRemoteIrr) == 0);
}

TEST_CASE("a vector rewritten while in service leaves remote IRR to the EOI of the new one") {
  IoApicBench bench = With(kVector | kRteLevel);
  bench.ioapic.SetLine(kPin, true);
  bench.WriteEntry(kPin, (kVector + 1) | kRteLevel);
  bench.ioapic.Eoi(kVector);
  CHECK((bench.ReadEntry(kPin) & kRteRemoteIrr) != 0);
  CHECK(Sent(bench.ioapic.Eoi(kVector + 1)) == 1);
}

TEST_CASE("making an entry an edge clears its remote IRR") {
  IoApicBench bench = With(kVector | kRteLevel);
  bench.ioapic.SetLine(kPin, true);
  CHECK(Sent(bench.WriteEntry(kPin, kVector)) == 0);
  CHECK(bench.ReadEntry(kPin) == kVector);
  CHECK(Sent(bench.WriteEntry(kPin, kVector | kRteLevel)) == 1);
}

TEST_CASE("EOI clears remote IRR even if the entry's delivery mode knows no levels by now") {
  IoApicBench bench = With(kVector | kRteLevel);
  bench.ioapic.SetLine(kPin, true);
  bench.WriteEntry(kPin, kVector | kRteLevel | 0x400);
  CHECK(Sent(bench.ioapic.Eoi(kVector)) == 0);
  CHECK((bench.ReadEntry(kPin) & kRteRemoteIrr) == 0);
}

TEST_CASE("remote IRR can't be written") {
  IoApicBench bench = With(kVector | kRteLevel | kRteRemoteIrr);
  CHECK((bench.ReadEntry(kPin) & kRteRemoteIrr) == 0);
  bench.ioapic.SetLine(kPin, true);
  bench.WriteEntry(kPin, kVector | kRteLevel);
  CHECK((bench.ReadEntry(kPin) & kRteRemoteIrr) != 0);
}

TEST_CASE("a re-routed level waits for its caller before it is sent again") {
  IoApicBench bench;
  bench.WriteEntry(kPin, kVector | kRteLevel | kRteMasked);
  bench.ioapic.SetLine(kPin, true);
  const IoApicEffects effects = bench.Write(0x10 + 2 * kPin, (kVector + 1) | kRteLevel);
  CHECK(effects.rerouted);
  CHECK(Sent(effects) == 0);
  const IoApicEffects evaluated = bench.ioapic.Evaluate(kPin);
  REQUIRE(Sent(evaluated) == 1);
  CHECK(evaluated.messages[0].message.vector == kVector + 1);
}

TEST_CASE("a re-route while asserted keeps remote IRR: the old delivery ends it") {
  IoApicBench bench = With(kVector | kRteLevel | RteTo(1));
  bench.ioapic.SetLine(kPin, true);
  CHECK(Sent(bench.WriteEntry(kPin, kVector | kRteLevel | RteTo(2))) == 0);
  const IoApicEffects effects = bench.ioapic.Eoi(kVector);
  REQUIRE(Sent(effects) == 1);
  CHECK(effects.messages[0].message.destination == 2);
}

TEST_CASE("polarity is stored, and a line asserts whatever it says") {
  IoApicBench bench = With(kVector | Rte::ActiveLow::kMask);
  CHECK(bench.ReadEntry(kPin) == (kVector | Rte::ActiveLow::kMask));
  CHECK(Sent(bench.ioapic.SetLine(kPin, true)) == 1);
}

TEST_CASE("an entry's destination and modes are the message's") {
  const DeliveryMode mode =
      GENERATE(DeliveryMode::kFixed, DeliveryMode::kLowestPriority, DeliveryMode::kSmi,
               DeliveryMode::kNmi, DeliveryMode::kInit, DeliveryMode::kExtInt);
  const bool logical = GENERATE(false, true);
  IoApicBench bench;
  Rte entry(kVector | RteTo(0xc3));
  entry.Set<Rte::Delivery>(mode);
  entry.Set<Rte::Mode>(logical ? DestinationMode::kLogical : DestinationMode::kPhysical);
  bench.WriteEntry(kPin, entry.raw);
  const IoApicEffects effects = bench.ioapic.SetLine(kPin, true);
  REQUIRE(Sent(effects) == 1);
  const Message& message = effects.messages[0].message;
  CHECK(message.destination == 0xc3);
  CHECK_FALSE(message.x2apic);
  CHECK((message.destination_mode == DestinationMode::kLogical) == logical);
  CHECK(message.delivery_mode == mode);
}

TEST_CASE("NMI, SMI, INIT and ExtINT are edges, even where the entry says level") {
  const DeliveryMode mode =
      GENERATE(DeliveryMode::kSmi, DeliveryMode::kNmi, DeliveryMode::kInit, DeliveryMode::kExtInt);
  Rte entry(kVector | kRteLevel);
  entry.Set<Rte::Delivery>(mode);
  IoApicBench bench = With(entry.raw);
  const IoApicEffects effects = bench.ioapic.SetLine(kPin, true);
  REQUIRE(Sent(effects) == 1);
  CHECK(effects.messages[0].message.trigger_mode == TriggerMode::kEdge);
  CHECK(bench.ReadEntry(kPin) == entry.raw);
  CHECK(Sent(bench.ioapic.Eoi(kVector)) == 0);
}

TEST_CASE("a reserved delivery mode sends nothing") {
  const DeliveryMode mode = GENERATE(DeliveryMode::kReserved, DeliveryMode::kStartup);
  Rte entry(kVector);
  entry.Set<Rte::Delivery>(mode);
  IoApicBench bench = With(entry.raw);
  CHECK(Sent(bench.ioapic.SetLine(kPin, true)) == 0);
  CHECK(bench.ioapic.counters().unsent == 1);
}

TEST_CASE("pins interrupt independently: edges on two pins at once are two messages") {
  IoApicBench bench = With(kVector);
  bench.WriteEntry(kPin + 1, kVector + 1);
  CHECK(Sent(bench.ioapic.SetLine(kPin, true)) == 1);
  CHECK(Sent(bench.ioapic.SetLine(kPin + 1, true)) == 1);
}

TEST_CASE("a pin that does not exist is ignored") {
  IoApicBench bench;
  const IoApic before = bench.ioapic;
  CHECK(bench.ioapic.SetLine(24, true) == IoApicEffects());
  CHECK(bench.ioapic.Evaluate(24) == IoApicEffects());
  CHECK(bench.ioapic == before);
}

TEST_CASE("a discarded level does not wedge its pin: the next event sends it again") {
  enum class Event { kLine, kUnmask, kEoi, kRetry };
  const Event event = GENERATE(Event::kLine, Event::kUnmask, Event::kEoi, Event::kRetry);
  IoApicBench bench = With(kVector | kRteLevel);
  bench.ioapic.SetLine(kPin, true);
  bench.ioapic.Unaccepted(kPin);
  CHECK((bench.ReadEntry(kPin) & kRteRemoteIrr) == 0);
  CHECK(bench.ioapic.counters().unaccepted == 1);
  CHECK(bench.ioapic.counters().messages == 1);
  switch (event) {
    case Event::kLine:
      bench.ioapic.SetLine(kPin, false);
      CHECK(Sent(bench.ioapic.SetLine(kPin, true)) == 1);
      break;
    case Event::kUnmask:
      CHECK(Sent(bench.Write(0x10 + 2 * kPin, kVector | kRteLevel | kRteMasked)) == 0);
      CHECK(Sent(bench.Write(0x10 + 2 * kPin, kVector | kRteLevel)) == 1);
      break;
    case Event::kEoi:
      CHECK(Sent(bench.ioapic.Eoi(kVector)) == 1);
      break;
    case Event::kRetry:
      CHECK(Sent(bench.ioapic.Retry()) == 1);
      break;
  }
}

TEST_CASE("a discarded level is found by the vector it was sent with, after a re-route too") {
  IoApicBench bench = With(kVector | kRteLevel | RteTo(1));
  bench.ioapic.SetLine(kPin, true);
  bench.Write(0x10 + 2 * kPin, (kVector + 1) | kRteLevel);
  CHECK_FALSE(bench.ioapic.AwaitsEoi(kPin, kVector + 1));
  CHECK(bench.ioapic.AwaitsEoi(kPin, kVector));
  bench.ioapic.Unaccepted(kPin);
  CHECK_FALSE(bench.ioapic.AwaitsEoi(kPin, kVector));
  const IoApicEffects effects = bench.ioapic.Evaluate(kPin);
  REQUIRE(Sent(effects) == 1);
  CHECK(effects.messages[0].message.vector == kVector + 1);
}

TEST_CASE("a retry sends nothing that is on its way, masked or down") {
  IoApicBench bench = With(kVector | kRteLevel);
  CHECK(Sent(bench.ioapic.Retry()) == 0);
  bench.ioapic.SetLine(kPin, true);
  CHECK(Sent(bench.ioapic.Retry()) == 0);
  bench.ioapic.Unaccepted(kPin);
  bench.WriteEntry(kPin, kVector | kRteLevel | kRteMasked);
  CHECK(Sent(bench.ioapic.Retry()) == 0);
}

}  // namespace muster::apic
