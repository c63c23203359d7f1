// Where a guest reads what machine it is on.

#include <vector>

#include <catch2/catch.hpp>

#include <muster/vmm/device/cmos.h>
#include <muster/vmm/device/fw_cfg.h>

#include "fake_timer.h"
#include "first_ending.h"

namespace muster::vmm {
namespace {

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
