// What a PC had before APICs: the two 8259s, the interval timer and the clock. Their interrupts
// come to CPU 0 through LINT0, to the last CPU through pin 0 of the I/O APIC, and past the 8259s
// through the timer's own pin. Interrupts are counted, never timed.
#include "runtime/guest.h"

enum {
  kMaster = 0x20,
  kSlave = 0xA0,
  kPit = 0x40,
  kCmosIndex = 0x70,
  kCmosData = 0x71,
  kNonSpecificEoi = 0x20,
  kPicVectors = 0x70,  // of IRQ 0; 8 to 15 follow
  kPinVector = 0x50,
  kExtInt = 7 << 8,
  kTimerPin = 2,
  kPicPin = 0,
  kTimerIrq = 0,
  kClockIrq = 8,
  kSpuriousIrq = 7,
  kTicks = 5,
  kPitPeriodic = 0x34,
  kPitOneShot = 0x30,
  kPitCount = 5966,  // 200 Hz
};

static atomic_uint ticks;  // of the source that is being counted; one more may be on its way
static atomic_uint done;   // the last that was wanted has come; it wakes CPU 0
static atomic_uint spurious;
static atomic_uint taker;  // the CPU that took that one

static void MaskPics(uint8_t master, uint8_t slave) {
  WritePort8(kMaster + 1, master);
  WritePort8(kSlave + 1, slave);
}

// All masked; what was pending is forgotten.
static void SetUpPics(void) {
  WritePort8(kMaster, 0x11);
  WritePort8(kMaster + 1, kPicVectors);
  WritePort8(kMaster + 1, 1 << 2);
  WritePort8(kMaster + 1, 0x01);
  WritePort8(kSlave, 0x11);
  WritePort8(kSlave + 1, kPicVectors + 8);
  WritePort8(kSlave + 1, 2);
  WritePort8(kSlave + 1, 0x01);
  MaskPics(0xFF, 0xFF);
}

static void StartPit(void) {
  WritePort8(kPit + 3, kPitPeriodic);
  WritePort8(kPit, kPitCount & 0xFF);
  WritePort8(kPit, kPitCount >> 8);
}

static void StopPit(void) { WritePort8(kPit + 3, kPitOneShot); }

static uint8_t ReadClock(uint8_t reg) {
  WritePort8(kCmosIndex, reg);
  return ReadPort8(kCmosData);
}

static void WriteClock(uint8_t reg, uint8_t value) {
  WritePort8(kCmosIndex, reg);
  WritePort8(kCmosData, value);
}

// True for the last one that is wanted.
static bool Count(void) {
  if (atomic_fetch_add(&ticks, 1) + 1 != kTicks) return false;
  atomic_store(&taker, CpuNumber());
  atomic_store(&done, 1);
  return true;
}

static void WakeCpu0(void) {
  if (CpuNumber() != 0) Wake(0);
}

INTERRUPT_HANDLER(OnPicTimer) {
  const bool last = Count();
  if (last) MaskPics(0xFF, 0xFF);
  WritePort8(kMaster, kNonSpecificEoi);
  if (last) WakeCpu0();
}

INTERRUPT_HANDLER(OnClock) {
  const bool last = Count();
  if (last) WriteClock(0x0B, 0x02);
  ReadClock(0x0C);  // or there is no next
  WritePort8(kSlave, kNonSpecificEoi);
  WritePort8(kMaster, kNonSpecificEoi);
}

INTERRUPT_HANDLER(OnPin) {
  const bool last = Count();
  if (last) StopPit();
  EndOfInterrupt();
  if (last) WakeCpu0();
}

INTERRUPT_HANDLER(OnSpurious) { atomic_fetch_add(&spurious, 1); }

// Sleeps until the source that was started has made its last tick, on `cpu`.
static void AwaitTicks(const char* what, uint32_t cpu) {
  HaltUntil(&done, 1);
  CHECK_EQUAL(atomic_load(&taker), cpu);
  atomic_store(&ticks, 0);
  atomic_store(&done, 0);
  Print("%s: %u ticks", what, kTicks);
}

static void MaskLint0(void* unused) {
  (void)unused;
  WriteApic(kApicLvtLint0, kLvtMasked);
}

static void CheckThroughLint0(void) {
  WriteApic(kApicLvtLint0, kExtInt);
  SetUpPics();
  StartPit();
  MaskPics(0xFF & ~(1 << kTimerIrq), 0xFF);
  AwaitTicks("timer, 8259, LINT0", 0);
  StopPit();
  CHECK(!ApicVectorIsSet(kApicIsr, kPicVectors));

  SetUpPics();
  MaskPics(0xFF & ~(1 << 2), 0xFE);
  WriteClock(0x0A, 0x29);  // 128 Hz
  ReadClock(0x0C);
  WriteClock(0x0B, 0x42);
  AwaitTicks("clock, both 8259s, LINT0", 0);
  WriteApic(kApicLvtLint0, kLvtMasked);
}

static void CheckThroughIoApic(void) {
  const uint32_t last = CpuCount() - 1;
  if (last > 0xFE) return;  // it has no name for that one
  SetUpPics();
  RoutePin(kPicPin, kExtInt, (uint8_t)last);
  StartPit();
  MaskPics(0xFF & ~(1 << kTimerIrq), 0xFF);
  AwaitTicks("timer, 8259, I/O APIC", last);
  StopPit();
  WriteIoApic(kIoApicRedirection + 2 * kPicPin, kPinMasked);

  SetUpPics();
  RoutePin(kTimerPin, kPinVector, (uint8_t)last);
  StartPit();
  AwaitTicks("timer, I/O APIC", last);
  WriteIoApic(kIoApicRedirection + 2 * kTimerPin, kPinMasked);
}

void GuestMain(void) {
  SetHandler(kPicVectors + kTimerIrq, OnPicTimer);
  SetHandler(kPicVectors + kClockIrq, OnClock);
  SetHandler(kPicVectors + kSpuriousIrq, OnSpurious);
  SetHandler(kPinVector, OnPin);
  StartAllCpus();
  RunOnAll(MaskLint0, NULL);
  CheckThroughLint0();
  CheckThroughIoApic();
  CHECK_EQUAL(atomic_load(&spurious), 0);
  Print("legacy passed");
}
