#include <string>

#include <catch2/catch.hpp>

#include <muster/vmm/device/cmos.h>
#include <muster/vmm/device/rtc.h>

#include "fake_timer.h"

namespace muster::vmm {
namespace {

constexpr uint64_t kSecond = 1'000'000'000;
constexpr uint8_t kA = 10, kB = 11, kC = 12, kD = 13;

// A clock that begins at Tue Feb 29 2000 23:35:09 UTC and a quarter of a second.
struct Bench : IrqSink {
  void SetLine(unsigned number, bool asserted) override {
    CHECK(number == 8);
    line += asserted ? "+" : "-";
  }
  void Pass(uint64_t ns) {
    timer.now += ns;
    time += ns;
  }
  // To the deadline; the nanoseconds until there.
  uint64_t Wait() {
    REQUIRE(timer.deadline != DeviceTimer::kNever);
    const uint64_t passed = timer.deadline > timer.now ? timer.deadline - timer.now : 0;
    Pass(passed);
    timer.deadline = DeviceTimer::kNever;
    rtc.Expired();
    return passed;
  }

  uint64_t time = 951'867'309 * kSecond + kSecond / 4;
  std::string line;
  FakeTimer timer;
  Rtc rtc{*this, timer, [this] { return time; }};
};

TEST_CASE("the clock is the host's in UTC, in BCD or binary, in 24 or 12 hours", "[rtc]") {
  Bench bench;
  const int expected[][2] = {{0, 0x09}, {2, 0x35}, {4, 0x23}, {6, 3},       {7, 0x29},
                             {8, 0x02}, {9, 0x00}, {kB, 2},   {0x32, 0x20}, {kD, 0x80}};
  for (const auto& [index, value] : expected) {
    CHECK(bench.rtc.Read(static_cast<uint8_t>(index)) == value);
  }
  bench.rtc.Write(kB, 0x06);
  CHECK(bench.rtc.Read(4) == 23);
  CHECK(bench.rtc.Read(2) == 35);
  bench.rtc.Write(kB, 0x04);
  CHECK(bench.rtc.Read(4) == (11 | 0x80));
  bench.rtc.Write(kB, 0x00);
  CHECK(bench.rtc.Read(4) == (0x11 | 0x80));
  bench.Pass(3'600 * kSecond);
  CHECK(bench.rtc.Read(4) == 0x12);  // midnight
  bench.rtc.Write(0, 0x59);
  CHECK(bench.rtc.Read(0) == 0x09);  // the host's, whatever is written
}

TEST_CASE("an update is in progress for the last 244 us of a second, so that no read is torn",
          "[rtc]") {
  Bench bench;
  CHECK(bench.rtc.Read(kA) == 0x26);
  bench.Pass(3 * kSecond / 4 - 244'001);
  CHECK(bench.rtc.Read(kA) == 0x26);
  bench.Pass(1);
  CHECK(bench.rtc.Read(kA) == 0xa6);
  bench.rtc.Write(kB, 0x82);  // it is being set
  CHECK(bench.rtc.Read(kA) == 0x26);
  bench.rtc.Write(kB, 0x02);
  bench.Pass(244'000);
  CHECK(bench.rtc.Read(kA) == 0x26);
  CHECK(bench.rtc.Read(0) == 0x10);
}

TEST_CASE("a clock that is not to interrupt runs no timer", "[rtc]") {
  Bench bench;
  CHECK(bench.timer.deadline == DeviceTimer::kNever);
  bench.rtc.Write(kA, 0x23);
  bench.rtc.Write(1, 0x30);
  bench.Pass(10 * kSecond);
  CHECK(bench.timer.deadline == DeviceTimer::kNever);
  CHECK(bench.rtc.Read(kC) == 0x50);  // but its flags are there: update, periodic
  CHECK(bench.rtc.Read(kC) == 0);
  CHECK(bench.line == "");
  CHECK_FALSE(bench.rtc.MayInterrupt());
}

TEST_CASE("the end of an update interrupts at each second, once register C has been read",
          "[rtc]") {
  Bench bench;
  bench.rtc.Write(kB, 0x12);
  CHECK(bench.rtc.MayInterrupt());
  CHECK(bench.Wait() == 3 * kSecond / 4);
  CHECK(bench.line == "+");
  CHECK(bench.timer.deadline == DeviceTimer::kNever);
  bench.Pass(5 * kSecond);
  CHECK((bench.rtc.Read(kC) & 0x90) == 0x90);
  CHECK(bench.line == "+-");
  CHECK(bench.Wait() == kSecond);
  CHECK(bench.line == "+-+");
  bench.rtc.Write(kB, 0x02);
  CHECK(bench.line == "+-+-");
  CHECK(bench.timer.deadline == DeviceTimer::kNever);
}

TEST_CASE("the periodic interrupt comes at its rate", "[rtc]") {
  const std::pair<uint8_t, uint64_t> rates[] = {
      {0x26, 976'562}, {0x2f, 500'000'000}, {0x23, 122'070}, {0x21, 3'906'250}};
  for (const auto& [a, period] : rates) {
    Bench bench;
    bench.rtc.Write(kA, a);
    bench.rtc.Write(kB, 0x42);
    for (int i = 0; i < 5; ++i) {
      CHECK(bench.Wait() == period);
      CHECK((bench.rtc.Read(kC) & 0xc0) == 0xc0);
    }
    CHECK(bench.line == "+-+-+-+-+-");
  }
  Bench none;
  none.rtc.Write(kA, 0x20);
  none.rtc.Write(kB, 0x42);
  CHECK(none.timer.deadline == DeviceTimer::kNever);
}

TEST_CASE("periods keep their beat when the host is late", "[rtc]") {
  Bench bench;
  bench.rtc.Write(kA, 0x2f);
  bench.rtc.Write(kB, 0x42);
  bench.Pass(1'700'000'000);
  bench.rtc.Expired();
  CHECK(bench.line == "+");
  bench.rtc.Read(kC);
  CHECK(bench.Wait() == 300'000'000);
}

TEST_CASE("an alarm interrupts at its time of day, in the format of register B", "[rtc]") {
  Bench bench;
  bench.rtc.Write(5, 0x23);
  bench.rtc.Write(3, 0x35);
  bench.rtc.Write(1, 0x40);
  bench.rtc.Write(kB, 0x22);
  CHECK(bench.Wait() == 30 * kSecond + 3 * kSecond / 4);
  CHECK((bench.rtc.Read(kC) & 0xa0) == 0xa0);
  CHECK(bench.Wait() == 86'400 * kSecond);
  bench.rtc.Read(kC);
  bench.rtc.Write(kB, 0x26);  // binary: there is no hour 0x23
  CHECK(bench.timer.deadline == DeviceTimer::kNever);
  bench.rtc.Write(5, 0);
  bench.rtc.Write(3, 0xff);  // each minute
  bench.rtc.Write(1, 5);
  CHECK(bench.Wait() == (24 * 60 + 25) * kSecond);
  bench.rtc.Read(kC);
  CHECK(bench.Wait() == 60 * kSecond);
}

TEST_CASE("an alarm at any time is one at each second", "[rtc]") {
  Bench bench;
  for (int alarm : {1, 3, 5}) bench.rtc.Write(static_cast<uint8_t>(alarm), 0xc0);
  bench.rtc.Write(kB, 0x22);
  bench.Wait();
  bench.rtc.Read(kC);
  CHECK(bench.Wait() == kSecond);
}

TEST_CASE("a host whose clock is set back or on leaves the guest's going", "[rtc]") {
  Bench bench;
  bench.rtc.Write(kB, 0x12);
  bench.time -= 100 * kSecond;
  CHECK(bench.Wait() == 3 * kSecond / 4);
  CHECK(bench.line == "");  // that deadline was the old clock's
  CHECK(bench.Wait() == kSecond);
  CHECK(bench.line == "+");
  bench.rtc.Read(kC);
  bench.time += 1'000'000 * kSecond;
  CHECK(bench.Wait() == kSecond);
  CHECK(bench.line == "+-+");
}

TEST_CASE("while the clock is set it neither updates nor interrupts for that", "[rtc]") {
  Bench bench;
  bench.rtc.Write(kB, 0x92);
  CHECK(bench.rtc.Read(kB) == 0x82);
  CHECK(bench.timer.deadline == DeviceTimer::kNever);
  bench.Pass(5 * kSecond);
  CHECK((bench.rtc.Read(kC) & 0x10) == 0);
}

TEST_CASE("the clock's registers are behind ports 0x70 and 0x71, the rest is memory", "[rtc]") {
  Bench bench;
  Cmos cmos(bench.rtc, uint64_t{1} << 20, 0);
  const auto read = [&](uint8_t index) {
    cmos.Write(0, 1, index);
    return cmos.Read(1, 1);
  };
  CHECK(read(0x02) == 0x35);
  CHECK(read(0x32) == 0x20);
  cmos.Write(0, 1, kB);
  cmos.Write(1, 1, 0x12);
  CHECK(bench.rtc.MayInterrupt());
  CHECK(read(kB) == 0x12);
  cmos.Write(0, 1, 0x40);
  cmos.Write(1, 1, 0x77);
  CHECK(read(0x40) == 0x77);
  bench.rtc.AsFirmwareLeaves();
  CHECK(read(kB) == 0x02);
  CHECK_FALSE(bench.rtc.MayInterrupt());
  CHECK(read(0x40) == 0x77);
}

}  // namespace
}  // namespace muster::vmm
