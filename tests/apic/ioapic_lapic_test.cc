#include <deque>
#include <random>
#include <vector>

#include <catch2/catch.hpp>

#include "ioapic_bench.h"
#include "lapic_bench.h"

namespace muster::apic {
namespace {

constexpr unsigned kCpus = 3;
constexpr unsigned kPins = 8;

/// An I/O APIC, local APICs, and a bus that delivers late.
class Board {
 public:
  Board() : ioapic({.pins = kPins}) {
    for (uint32_t cpu = 0; cpu < kCpus; ++cpu) cpus.push_back(LapicBench::Xapic({.id = cpu}));
  }

  void Perform(const IoApicEffects& effects) {
    for (const PinMessage& sent : effects.messages) {
      for (unsigned cpu = 0; cpu < kCpus; ++cpu) {
        if (Addresses(sent.message, cpus[cpu].lapic.identity())) {
          mail[cpu].push_back(sent.message);
        }
      }
    }
    if (effects.rerouted) {
      // What a rendezvous does: everyone concerned looks at its mail.
      for (unsigned cpu = 0; cpu < kCpus; ++cpu) Drain(cpu);
      Perform(ioapic.ioapic.Evaluate(effects.rerouted->pin));
    }
  }

  void Drain(unsigned cpu) {
    while (!mail[cpu].empty()) {
      const Message message = mail[cpu].front();
      mail[cpu].pop_front();
      if (cpus[cpu].lapic.Accept(message.vector, message.trigger_mode) ==
              Lapic::Accepted::kDiscarded &&
          message.trigger_mode == TriggerMode::kLevel) {
        for (unsigned pin = 0; pin < ioapic.ioapic.pins(); ++pin) {
          if (ioapic.ioapic.AwaitsEoi(pin, message.vector)) ioapic.ioapic.Unaccepted(pin);
        }
      }
    }
  }

  void SetEnabled(unsigned cpu, bool enabled) {
    Drain(cpu);
    const Effects effects = cpus[cpu].Write(LapicReg::kSvr, enabled ? 0x1ff : 0xff);
    if (effects.identity_changed && enabled) Perform(ioapic.ioapic.Retry());
  }

  void Inject(unsigned cpu) {
    const std::optional<uint8_t> vector = cpus[cpu].lapic.Deliverable();
    if (vector) cpus[cpu].lapic.Acknowledge(*vector);
  }

  void EndOfInterrupt(unsigned cpu) {
    const Effects effects = cpus[cpu].Write(LapicReg::kEoi, 0);
    if (effects.eoi) Perform(ioapic.ioapic.Eoi(*effects.eoi));
  }

  bool Holds(unsigned cpu, uint8_t vector) const {
    return cpus[cpu].lapic.irr().Contains(vector) || cpus[cpu].lapic.isr().Contains(vector);
  }

  std::vector<LapicBench> cpus;
  IoApicBench ioapic;
  std::deque<Message> mail[kCpus];
};

}  // namespace

TEST_CASE("a level interrupt goes from its line to the handler and back by EOI") {
  Board board;
  board.Perform(board.ioapic.WriteEntry(4, RteTo(1) | kRteLevel | 0x71));
  board.Perform(board.ioapic.ioapic.SetLine(4, true));
  board.Drain(1);
  REQUIRE(board.cpus[1].lapic.Deliverable() == 0x71);
  board.Inject(1);
  board.Perform(board.ioapic.ioapic.SetLine(4, false));
  board.EndOfInterrupt(1);
  board.Drain(1);
  CHECK_FALSE(board.Holds(1, 0x71));
  CHECK((board.ioapic.ReadEntry(4) & kRteRemoteIrr) == 0);
}

TEST_CASE("a level that a disabled APIC discarded arrives once that is enabled") {
  Board board;
  board.SetEnabled(1, false);
  board.Perform(board.ioapic.WriteEntry(4, RteTo(1) | kRteLevel | 0x71));
  board.Perform(board.ioapic.ioapic.SetLine(4, true));
  board.Drain(1);
  CHECK(board.mail[1].empty());
  board.SetEnabled(1, true);
  board.Drain(1);
  CHECK(board.cpus[1].lapic.Deliverable() == 0x71);
}

TEST_CASE("an asserted, unmasked level is never forgotten, whatever happens around it") {
  for (uint32_t seed = 0; seed < 200; ++seed) {
    CAPTURE(seed);
    std::mt19937 random(seed);
    const auto below = [&random](uint32_t n) { return static_cast<uint32_t>(random() % n); };
    Board board;
    // Pins in pairs share a vector. The destination may change, the vector must not: EOI knows the
    // current one only, on hardware too.
    const auto entry = [](unsigned pin, unsigned cpu, bool masked) {
      return RteTo(static_cast<uint8_t>(cpu)) | kRteLevel | (masked ? kRteMasked : 0) |
             (0x41 + 16 * (pin / 2));
    };
    std::vector<unsigned> target(kPins, 0);
    for (unsigned pin = 0; pin < kPins; ++pin) {
      board.Perform(board.ioapic.WriteEntry(pin, entry(pin, 0, true)));
    }
    for (int step = 0; step < 500; ++step) {
      const unsigned pin = below(kPins);
      const unsigned cpu = below(kCpus);
      switch (below(7)) {
        case 0:
        case 1:
          board.Perform(board.ioapic.ioapic.SetLine(pin, below(2) != 0));
          break;
        case 2: {
          if (below(4) == 0) target[pin] = cpu;
          const uint64_t value = entry(pin, target[pin], below(3) == 0);
          const auto low = static_cast<uint8_t>(0x10 + 2 * pin);
          board.Perform(board.ioapic.Write(low + 1, static_cast<uint32_t>(value >> 32)));
          board.Perform(board.ioapic.Write(low, static_cast<uint32_t>(value)));
          break;
        }
        case 3:
          board.SetEnabled(cpu, below(3) != 0);
          break;
        case 4:
          board.Drain(cpu);
          break;
        case 5:
          board.Inject(cpu);
          break;
        default:
          board.EndOfInterrupt(cpu);
          break;
      }
      REQUIRE(board.ioapic.ioapic.CheckInvariants() == nullptr);
    }
    for (unsigned cpu = 0; cpu < kCpus; ++cpu) board.SetEnabled(cpu, true);
    for (unsigned cpu = 0; cpu < kCpus; ++cpu) board.Drain(cpu);
    for (unsigned pin = 0; pin < kPins; ++pin) {
      const Rte now = board.ioapic.ioapic.entry(pin);
      if (!board.ioapic.ioapic.asserted(pin) || now.Get<Rte::Mask>()) continue;
      bool held = false;
      for (unsigned cpu = 0; cpu < kCpus; ++cpu) {
        held |= board.Holds(cpu, now.Get<Rte::Vector>());
      }
      CAPTURE(pin);
      REQUIRE(held);
    }
    // Every handler runs to its end with all lines down: nothing is left behind.
    for (unsigned pin = 0; pin < kPins; ++pin) {
      board.Perform(board.ioapic.ioapic.SetLine(pin, false));
    }
    for (int i = 0; i < 100; ++i) {
      for (unsigned cpu = 0; cpu < kCpus; ++cpu) {
        board.Drain(cpu);
        board.Inject(cpu);
        board.EndOfInterrupt(cpu);
      }
    }
    for (unsigned pin = 0; pin < kPins; ++pin) {
      REQUIRE_FALSE(board.ioapic.ioapic.entry(pin).Get<Rte::RemoteIrr>());
    }
    for (const LapicBench& cpu : board.cpus) {
      REQUIRE(cpu.lapic.irr().Empty());
      REQUIRE(cpu.lapic.isr().Empty());
    }
  }
}

TEST_CASE("no sequence of stores and lines breaks an invariant of the I/O APIC") {
  std::mt19937 random(4);
  IoApicBench bench;
  uint64_t messages = 0;
  for (int step = 0; step < 200'000; ++step) {
    const auto value = static_cast<uint32_t>(random());
    IoApicEffects effects;
    switch (random() % 4) {
      case 0:
        bench.Store<uint32_t>(kIoRegSel, 0x10 + value % 0x30);
        effects = bench.Store<uint32_t>(kIoWin, value & static_cast<uint32_t>(random()));
        break;
      case 1:
        effects = bench.Store<uint32_t>(kIoEoi, value % 256);
        break;
      case 2:
        effects = bench.Store<uint32_t>(value % 0x50, value >> 8);
        break;
      default:
        effects = bench.ioapic.SetLine(value % 25, (value & 0x100) != 0);
        break;
    }
    messages += effects.messages.size();
    if (effects.rerouted) {
      REQUIRE(effects.messages.empty());
      messages += bench.ioapic.Evaluate(effects.rerouted->pin).messages.size();
    }
    const char* const broken = bench.ioapic.CheckInvariants();
    if (broken != nullptr) FAIL(broken);
  }
  CHECK(messages == bench.ioapic.counters().messages);
  CHECK(messages > 1000);
}

}  // namespace muster::apic
