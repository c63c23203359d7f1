#include "restart.h"

#include "runtime/guest.h"

static uint32_t expected[MAX_CPUS];  // starts of each CPU
static uint32_t awaited;
static bool strict;

// SDM, "Local APIC State After Power-Up or Reset" and "... After an INIT Reset".
static void CheckApicIsReset(struct Cpu* cpu) {
  CHECK_EQUAL(ReadApic(kApicSvr), 0xFF);
  CHECK_EQUAL(ReadApic(kApicTpr), 0);
  CHECK_EQUAL(ReadApic(kApicLvtTimer), kLvtMasked);
  CHECK_EQUAL(ReadApic(kApicLvtLint0), kLvtMasked);
  CHECK_EQUAL(ReadApic(kApicLvtLint1), kLvtMasked);
  CHECK_EQUAL(ReadApic(kApicLvtError), kLvtMasked);
  CHECK_EQUAL(ReadApic(kApicInitialCount), 0);
  CHECK_EQUAL(ReadApic(kApicCurrentCount), 0);
  for (uint32_t i = 0; i < 8; ++i) {
    CHECK_EQUAL(ReadApic(kApicIsr + i), 0);
    // QEMU's APIC takes interrupts while it is disabled; a wake-up is the only one that can come.
    const uint32_t tolerated = !strict && i == kWakeVector / 32 ? 1u << kWakeVector % 32 : 0;
    CHECK_EQUAL(ReadApic(kApicIrr + i) & ~tolerated, 0);
  }
  // INIT keeps the id, the mode and the base.
  const uint32_t id = ReadApic(kApicId);
  CHECK_EQUAL(cpu->x2apic ? id : id >> 24, cpu->number);
  CHECK_EQUAL(ReadMsr(kMsrApicBase) & ~(uint64_t)kApicBaseX2Apic, kApicAddress | kApicBaseEnable);
  if (!cpu->x2apic) {
    CHECK_EQUAL(ReadApic(kApicLdr), 0);
    CHECK_EQUAL(ReadApic(kApicDfr), kDfrFlat);
  }
}

void InitRestart(void) {
  strict = CommandLineHas("strict");
  SetStartHook(CheckApicIsReset);
  for (uint32_t cpu = 1; cpu < CpuCount(); ++cpu) expected[cpu] = 1;
}

static void DoNothing(void* unused) { (void)unused; }
static void SetWord(void* word) { atomic_store((atomic_uint*)word, 1); }

void AwaitOneStart(uint32_t cpu) {
  AwaitStarts(cpu, ++expected[cpu]);
  ++awaited;
  RunOn(cpu, DoNothing, NULL);
}

void CheckNoOtherStart(uint32_t cpu) {
  RunOn(cpu, DoNothing, NULL);
  CHECK_EQUAL(atomic_load(&cpus[cpu].starts), expected[cpu]);
}

// Calls `cpu` until it answers or time is up: a start that a later INIT cuts short may take a call
// with it.
static bool Answers(uint32_t cpu) {
  enum { kTries = 20 };
  static atomic_uint called;
  atomic_store(&called, 0);
  for (int i = 0; i < kTries || strict; ++i) {
    ExpectRestart(cpu);
    Post(cpu, SetWord, &called);
    for (int waits = 0; waits < 5 && atomic_load(&called) == 0; ++waits) Settle();
    if (atomic_load(&called) != 0) {
      Join(cpu);
      return true;
    }
  }
  return false;
}

void AwaitAnyStarts(uint32_t cpu, uint32_t most) {
  while (!Answers(cpu)) {
    SendInit(cpu);
    SendStartup(cpu);
  }
  const uint32_t starts = atomic_load(&cpus[cpu].starts) - expected[cpu];
  if (strict && (starts < 1 || starts > most)) {
    Fail("cpu %u started %u times; 1 to %u are right", cpu, starts, most);
  }
  expected[cpu] += starts;
}

void Stop(uint32_t cpu) {
  ExpectRestart(cpu);
  SendInit(cpu);
}

void Start(uint32_t cpu) {
  SendStartup(cpu);
  AwaitOneStart(cpu);
}

uint32_t TakeStarts(void) {
  const uint32_t taken = awaited;
  awaited = 0;
  return taken;
}

bool Strict(void) { return strict; }

void Settle(void) {
  for (int i = 0; i < 100; ++i) ReadPort8(0x80);
}
