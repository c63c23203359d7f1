// A local APIC: every way in, in any order, with time that goes on.
#include <muster/apic/lapic.h>

#include "fuzz_input.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace muster::apic;
  muster::testing::FuzzInput input(data, size);
  const auto options = input.Take<uint8_t>();
  Lapic lapic({.id = input.Take<uint16_t>(),
               .bootstrap = (options & 1) != 0,
               .x2apic = (options & 2) != 0,
               .tsc_deadline = (options & 4) != 0});
  if (options & 8) lapic.AsFirmwareLeaves((options & 16) != 0);
  Now now;
  while (!input.empty()) {
    const auto what = input.Take<uint8_t>();
    now.ns += input.Take<uint16_t>();
    now.tsc = 2 * now.ns;
    uint8_t bytes[8] = {};
    const std::span<uint8_t> access(bytes, size_t{1} << (what >> 4) % 4);
    switch (what % 12) {
      case 0:
        lapic.MmioRead(input.Take<uint16_t>() & 0xfff, access, now);
        break;
      case 1:
      case 2: {
        // Registers lie 16 bytes apart.
        const uint32_t offset = what & 0x80 ? input.Take<uint16_t>() & 0xfffu
                                            : uint32_t{input.Take<uint8_t>()} << 4 & 0xff0;
        const auto value = input.Take<uint64_t>();
        std::memcpy(bytes, &value, sizeof(bytes));
        lapic.MmioWrite(offset, access, now);
        break;
      }
      case 3:
        lapic.MsrRead(0x800 + (input.Take<uint8_t>() & 0x3fu), now);
        break;
      case 4:
      case 5: {
        const uint32_t msr = 0x800 + (input.Take<uint8_t>() & 0x3fu);
        lapic.MsrWrite(msr, input.Take<uint64_t>(), now);
        break;
      }
      case 6:
        lapic.MsrWrite(what & 0x80 ? 0x6e0 : 0x1b, input.Take<uint64_t>(), now);
        break;
      case 7:
        lapic.Accept(input.Take<uint8_t>(), what & 0x80 ? TriggerMode::kLevel : TriggerMode::kEdge);
        break;
      case 8:
        if (const auto vector = lapic.Deliverable()) lapic.Acknowledge(*vector);
        break;
      case 9:
        if (lapic.NextDeadline()) lapic.TimerExpired(now);
        break;
      case 10:
        lapic.RaiseLvt(what & 0x80 ? LapicReg::kLvtLint0 : LapicReg::kLvtLint1);
        break;
      case 11:
        if (what & 0x80) lapic.Init();
        lapic.SetCr8(what >> 4 & 0xf);
        break;
    }
    muster::testing::Require(lapic.CheckInvariants());
  }
  return 0;
}
