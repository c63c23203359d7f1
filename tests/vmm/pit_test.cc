#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include <muster/vmm/device/i8254_counter.h>
#include <muster/vmm/device/pit.h>
#include <muster/vmm/device/pm_timer.h>
#include <muster/vmm/device/system_control_b.h>

#include "fake_timer.h"

namespace muster::vmm {
namespace {

enum Access : uint8_t { kLow = 0x10, kHigh = 0x20, kBoth = 0x30 };

struct CounterBench {
  void Set(int mode, uint16_t count, uint8_t access = kBoth, bool bcd = false) {
    counter.SetControl(static_cast<uint8_t>(access | mode << 1 | bcd), now);
    if (access & kLow) counter.Write(static_cast<uint8_t>(count), now);
    if (access & kHigh) counter.Write(static_cast<uint8_t>(count >> 8), now);
  }
  uint16_t Count() {
    const uint8_t low = counter.Read(now);
    return static_cast<uint16_t>(low | counter.Read(now) << 8);
  }
  uint8_t Status() {
    counter.LatchStatus(now);
    return counter.Read(now);
  }
  // OUT at this tick and those that follow.
  std::string Wave(int ticks) {
    std::string wave;
    for (int i = 0; i < ticks; ++i) wave += counter.Out(now + static_cast<uint64_t>(i)) ? "-" : "_";
    return wave;
  }

  I8254Counter counter{true};
  uint64_t now = 1000;
};

TEST_CASE("OUT of each mode of the interval timer is as the data sheet draws it", "[pit]") {
  CounterBench bench;
  bench.counter.SetControl(0x30, bench.now);
  CHECK(bench.Wave(3) == "___");
  bench.Set(0, 4);
  CHECK(bench.Wave(8) == "____----");
  bench.Set(2, 3);
  CHECK(bench.Wave(8) == "--_--_--");
  bench.Set(3, 4);
  CHECK(bench.Wave(8) == "--__--__");
  bench.Set(3, 5);
  CHECK(bench.Wave(10) == "---__---__");
  bench.Set(4, 3);
  CHECK(bench.Wave(8) == "---_----");
  bench.Set(1, 3);
  CHECK(bench.Wave(4) == "----");
  bench.counter.SetGate(false, bench.now);
  bench.counter.SetGate(true, bench.now);
  CHECK(bench.Wave(6) == "___---");
  bench.Set(5, 3);
  CHECK(bench.Wave(6) == "------");
  bench.counter.SetGate(false, bench.now);
  bench.counter.SetGate(true, bench.now);
  CHECK(bench.Wave(6) == "---_--");
}

TEST_CASE("the next rise of OUT is where OUT rises next", "[pit]") {
  for (int mode : {0, 2, 3, 4}) {
    for (uint16_t count : std::vector<uint16_t>{2, 3, 7, 8}) {
      CounterBench bench;
      bench.Set(mode, count);
      for (int step = 0; step < 40; ++step, ++bench.now) {
        const auto next = bench.counter.NextRise(bench.now);
        std::optional<uint64_t> seen;
        for (uint64_t at = bench.now + 1; at < bench.now + 20 && !seen; ++at) {
          if (!bench.counter.Out(at - 1) && bench.counter.Out(at)) seen = at;
        }
        INFO("mode " << mode << " count " << count << " tick " << step);
        REQUIRE(next == seen);
      }
    }
  }
}

TEST_CASE("the count goes down, by two for a square wave, and wraps", "[pit]") {
  CounterBench bench;
  bench.Set(2, 100);
  bench.now += 30;
  CHECK(bench.Count() == 70);
  bench.now += 75;
  CHECK(bench.Count() == 95);
  bench.Set(3, 100);
  bench.now += 30;
  CHECK(bench.Count() == 40);
  bench.now += 25;
  CHECK(bench.Count() == 90);
  bench.Set(0, 10);
  bench.now += 12;
  CHECK(bench.Count() == 0xfffe);
  bench.Set(0, 0);
  CHECK(bench.Count() == 0);
  bench.now += 1;
  CHECK(bench.Count() == 0xffff);
  bench.now += 65'535;
  CHECK(bench.counter.Out(bench.now));
}

TEST_CASE("in BCD the interval timer counts decades", "[pit]") {
  CounterBench bench;
  bench.Set(2, 0x1000, kBoth, true);
  bench.now += 1;
  CHECK(bench.Count() == 0x0999);
  bench.Set(0, 0, kBoth, true);
  bench.now += 1;
  CHECK(bench.Count() == 0x9999);
  bench.now += 9'999;
  CHECK(bench.counter.Out(bench.now));
}

TEST_CASE("one byte of the count is the low or the high one", "[pit]") {
  CounterBench bench;
  bench.Set(2, 0x0040, kLow);
  bench.now += 1;
  CHECK(bench.counter.Read(bench.now) == 0x3f);
  CHECK(bench.counter.Read(bench.now) == 0x3f);
  bench.Set(2, 0x4000, kHigh);
  CHECK(bench.counter.Read(bench.now) == 0x40);
  bench.now += 1;
  CHECK(bench.counter.Read(bench.now) == 0x3f);
}

TEST_CASE("a latched count stays until it is read, and the status comes before it", "[pit]") {
  CounterBench bench;
  bench.Set(2, 1000);
  bench.now += 100;
  bench.counter.LatchCount(bench.now);
  bench.now += 100;
  bench.counter.LatchCount(bench.now);  // no effect
  bench.counter.LatchStatus(bench.now);
  CHECK(bench.counter.Read(bench.now) == (0x80 | 0x34));
  CHECK(bench.Count() == 900);
  CHECK(bench.Count() == 800);
}

TEST_CASE("the status tells OUT, the control word and a count not yet taken up", "[pit]") {
  CounterBench bench;
  bench.counter.SetControl(0x30, bench.now);
  CHECK(bench.Status() == 0x70);
  bench.Set(0, 5);
  CHECK(bench.Status() == 0x30);
  bench.now += 5;
  CHECK(bench.Status() == 0xb0);
  bench.Set(2, 100);
  bench.counter.Write(50, bench.now + 10);
  bench.counter.Write(0, bench.now + 10);
  bench.now += 10;
  CHECK(bench.Status() == 0xf4);
  bench.now += 90;
  CHECK(bench.Status() == 0xb4);
}

TEST_CASE("a new count of a periodic counter begins with the next period", "[pit]") {
  CounterBench bench;
  bench.Set(2, 10, kLow);
  bench.counter.Write(4, bench.now + 3);
  CHECK(bench.Wave(20) == "---------_---_---_--");
}

TEST_CASE("the first byte of a count of mode 0 stops it", "[pit]") {
  CounterBench bench;
  bench.Set(0, 2);
  bench.now += 5;
  CHECK(bench.counter.Out(bench.now));
  bench.counter.Write(3, bench.now);
  CHECK(bench.Wave(5) == "_____");
  bench.counter.Write(0, bench.now);
  CHECK(bench.Wave(5) == "___--");
}

TEST_CASE("the gate holds modes 0 and 4, and starts modes 2 and 3 anew", "[pit]") {
  CounterBench bench;
  bench.Set(0, 10);
  bench.now += 4;
  bench.counter.SetGate(false, bench.now);
  bench.now += 100;
  CHECK(bench.Count() == 6);
  CHECK_FALSE(bench.counter.Out(bench.now));
  bench.counter.SetGate(true, bench.now);
  CHECK(bench.Wave(8) == "______--");
  bench.Set(2, 4);
  bench.now += 2;
  bench.counter.SetGate(false, bench.now);
  CHECK(bench.Wave(8) == "--------");
  bench.now += 5;
  bench.counter.SetGate(true, bench.now);
  CHECK(bench.Wave(8) == "---_---_");
}

// Counter 0 on its line.
struct PitBench : IrqSink {
  void SetLine(unsigned number, bool asserted) override {
    CHECK(number == 0);
    line += asserted ? "+" : "-";
  }
  void Set(uint8_t control, uint16_t count) {
    pit.Write(3, 1, control);
    pit.Write(0, 1, count & 0xff);
    pit.Write(0, 1, count >> 8);
  }
  // To the deadline, if there is one.
  void Wait() {
    if (timer.deadline == DeviceTimer::kNever) return;
    timer.now = std::max(timer.now, timer.deadline);
    timer.deadline = DeviceTimer::kNever;
    pit.Expired();
  }

  FakeTimer timer;
  std::string line;
  Pit pit{*this, timer};
};

TEST_CASE("a timer that was not set up counts nothing and interrupts nobody", "[pit]") {
  PitBench bench;
  CHECK(bench.timer.deadline == DeviceTimer::kNever);
  CHECK_FALSE(bench.pit.MayInterrupt());
  bench.pit.Write(3, 1, 0xb4);  // counter 2 has no line
  bench.pit.Write(2, 1, 100);
  bench.pit.Write(2, 1, 0);
  CHECK(bench.timer.deadline == DeviceTimer::kNever);
  CHECK(bench.line == "");
}

TEST_CASE("a periodic timer has an edge for each period, at its time", "[pit]") {
  PitBench bench;
  const uint64_t start = bench.timer.now;
  bench.Set(0x34, 11'932);  // 100 Hz
  CHECK(bench.line == "+");
  for (uint64_t i = 1; i <= 1'000; ++i) {
    bench.Wait();
    const uint64_t due = i * 11'932 * 11'000'000 / 13'125;
    const uint64_t since = bench.timer.now - start;
    REQUIRE(since + 1'000 > due);
    REQUIRE(since < due + 1'000);  // no drift
  }
  CHECK(bench.line.size() == 2'001);
  CHECK(bench.pit.MayInterrupt());
  bench.pit.Write(3, 1, 0x30);
  CHECK(bench.line.back() == '-');
  CHECK(bench.timer.deadline == DeviceTimer::kNever);
  CHECK_FALSE(bench.pit.MayInterrupt());
}

TEST_CASE("a one-shot timer interrupts once, mode 0 by staying high, mode 4 by an edge", "[pit]") {
  PitBench bench;
  bench.Set(0x30, 1'193);
  CHECK(bench.line == "");
  CHECK(bench.pit.MayInterrupt());
  bench.Wait();
  CHECK(bench.line == "+");
  CHECK_FALSE(bench.pit.MayInterrupt());
  bench.Wait();
  CHECK(bench.line == "+");
  bench.Set(0x30, 1'193);
  CHECK(bench.line == "+-");
  bench.pit.Write(3, 1, 0x38);
  CHECK(bench.line == "+-+");
  bench.pit.Write(0, 1, 0x10);
  bench.pit.Write(0, 1, 0x27);
  bench.Wait();
  CHECK(bench.line == "+-+-+");
  CHECK_FALSE(bench.pit.MayInterrupt());
}

TEST_CASE("periods that the host was late for are one interrupt", "[pit]") {
  PitBench bench;
  bench.Set(0x34, 1'193);
  bench.timer.now += 20'500'000;
  bench.pit.Expired();
  CHECK(bench.line == "+-+");
  bench.Wait();
  CHECK(bench.line == "+-+-+");
}

TEST_CASE("a guest cannot have the host interrupt more often than every 100 us", "[pit]") {
  PitBench bench;
  bench.Set(0x34, 2);
  const uint64_t start = bench.timer.now;
  for (int i = 0; i < 100; ++i) bench.Wait();
  CHECK(bench.timer.now - start >= 99 * Pit::kShortestNs);
  CHECK(bench.line.size() == 201);
}

TEST_CASE("a rise that is due is not lost to a write, nor comes twice", "[pit]") {
  PitBench bench;
  bench.Set(0x34, 11'932);
  bench.timer.now += 11'000'000;
  bench.pit.Write(3, 1, 0x00);  // latches
  CHECK(bench.line == "+-+");
  bench.pit.Expired();  // the deadline of that rise
  CHECK(bench.line == "+-+");
}

TEST_CASE("an expiry that comes for an earlier setting does nothing", "[pit]") {
  PitBench bench;
  bench.Set(0x34, 11'932);
  bench.Set(0x30, 0xffff);
  const std::string before = bench.line;
  bench.timer.now += 10'100'000;
  bench.pit.Expired();
  CHECK(bench.line == before);
}

TEST_CASE("read-back latches what it names, of each counter that it names", "[pit]") {
  PitBench bench;
  bench.Set(0x34, 1'000);
  bench.pit.Write(3, 1, 0xe2);  // status of counter 0
  CHECK(bench.pit.Read(0, 1) == 0xb4);
  bench.pit.Write(3, 1, 0xd2);  // count
  bench.timer.now += 1'000'000;
  CHECK(bench.pit.Read(0, 1) == (1'000 & 0xff));
  CHECK(bench.pit.Read(0, 1) == 1'000 >> 8);
  CHECK(bench.pit.Read(3, 1) == 0xff);
}

TEST_CASE("port 0x61 gates counter 2 and tells its OUT, as calibration loops want it", "[pit]") {
  PitBench bench;
  SystemControlB port(bench.pit);
  port.Write(0, 1, 0);
  bench.pit.Write(3, 1, 0xb0);
  bench.pit.Write(2, 1, 0xff);
  bench.pit.Write(2, 1, 0xff);
  bench.timer.now += 100'000'000;
  CHECK((port.Read(0, 1) & 0x20) == 0);  // the gate is low
  port.Write(0, 1, 1);
  CHECK((port.Read(0, 1) & 0x2f) == 1);
  bench.timer.now += 54'900'000;
  CHECK((port.Read(0, 1) & 0x20) == 0);
  bench.timer.now += 100'000;
  CHECK((port.Read(0, 1) & 0x2f) == 0x21);
}

TEST_CASE("port 0x61 shows the toggle of refresh, and keeps its low four bits", "[pit]") {
  PitBench bench;
  SystemControlB port(bench.pit);
  port.Write(0, 1, 0xff);
  CHECK((port.Read(0, 1) & 0xcf) == 0x0f);
  int toggles = 0;
  for (uint32_t last = port.Read(0, 1), i = 0; i < 1'000; ++i) {
    bench.timer.now += 5'000;
    const uint32_t now = port.Read(0, 1);
    toggles += ((now ^ last) & 0x10) != 0;
    last = now;
  }
  CHECK(toggles >= 330);
  CHECK(toggles <= 332);
}

TEST_CASE("the power management timer counts 3.579545 MHz in 32 bits, at any width") {
  FakeTimer clock;
  clock.now = 0;
  PmTimer timer(clock);
  CHECK(timer.Read(0, 4) == 0);
  clock.now = 1'000'000'000;
  CHECK(timer.Read(0, 4) == 3'579'545);
  CHECK((timer.Read(1, 1) & 0xff) == (3'579'545 >> 8 & 0xff));
  timer.Write(0, 4, 7);
  CHECK(timer.Read(0, 4) == 3'579'545);
  clock.now = 1'200'000'000'000;  // past 2^32 ticks
  CHECK(timer.Read(0, 4) == static_cast<uint32_t>(uint64_t{1'200'000'000'000} / 88'000 * 315 +
                                                  1'200'000'000'000 % 88'000 * 315 / 88'000));
}

}  // namespace
}  // namespace muster::vmm
