// INIT and SIPI to a CPU in every state it can be in.
#include "restart.h"
#include "runtime/guest.h"
#include "tests.h"

enum { kStuckVector = 0x50, kPendingVector = 0x60 };

// What a state's function stores once its CPU is there. It does not return: INIT ends it.
static atomic_uint entered;

// Leaves something in every register that INIT has to clear.
static void SpoilApic(void) {
  WriteApic(kApicTpr, 0x20);
  if (!ThisCpu()->x2apic) {
    WriteApic(kApicDfr, kDfrCluster);
    WriteApic(kApicLdr, 0x11000000);
  }
  WriteApic(kApicLvtLint1, 0x61);
  WriteApic(kApicLvtError, 0x62);
  WriteApic(kApicLvtTimer, kLvtMasked | 0x63);
  WriteApic(kApicInitialCount, 0x7FFFFFFF);
}

static void Run(void* unused) {
  (void)unused;
  SpoilApic();
  atomic_store(&entered, 1);
  for (;;) Pause();
}

static void RunWithInterruptsOff(void* unused) {
  DisableInterrupts();
  Run(unused);
}

static void Halt(void* unused) {
  (void)unused;
  SpoilApic();
  atomic_store(&entered, 1);
  for (;;) EnableInterruptsAndHalt();
}

static void HaltWithInterruptsOff(void* unused) {
  (void)unused;
  SpoilApic();
  DisableInterrupts();
  atomic_store(&entered, 1);
  HaltForever();
}

static void RunWithOnePending(void* unused) {
  DisableInterrupts();
  SendFixed(CpuNumber(), kPendingVector);
  CHECK(ApicVectorIsSet(kApicIrr, kPendingVector));
  Run(unused);
}

INTERRUPT_HANDLER(OnStuck) {
  CHECK(ApicVectorIsSet(kApicIsr, kStuckVector));
  RunWithOnePending(NULL);
}

static void RunInHandler(void* unused) {
  (void)unused;
  SendFixed(CpuNumber(), kStuckVector);
  for (;;) Pause();
}

static const struct {
  const char* name;
  CpuFunction* enter;
} kStates[] = {
    {"running", Run},
    {"running with interrupts off", RunWithInterruptsOff},
    {"halted", Halt},
    {"halted with interrupts off", HaltWithInterruptsOff},
    {"with an interrupt pending", RunWithOnePending},
    {"in a handler", RunInHandler},
};

enum { kStateCount = sizeof(kStates) / sizeof(kStates[0]) };

void TestStates(void) {
  SetHandler(kStuckVector, OnStuck);
  for (int state = 0; state < kStateCount; ++state) {
    for (uint32_t cpu = 1; cpu < CpuCount(); ++cpu) {
      if (!Chosen(cpu, CpuCount())) continue;
      atomic_store(&entered, 0);
      Post(cpu, kStates[state].enter, NULL);
      SpinUntil(&entered, 1);
      Stop(cpu);
      Start(cpu);
      CheckNoOtherStart(cpu);
    }
    Print("init, sipi to a cpu %s: %u starts", kStates[state].name, TakeStarts());
  }

  for (uint32_t cpu = 1; cpu < CpuCount(); ++cpu) {
    if (!Chosen(cpu, CpuCount())) continue;
    Stop(cpu);
    Stop(cpu);
    Start(cpu);
    CheckNoOtherStart(cpu);
  }
  Print("init, init, sipi: %u starts", TakeStarts());
}

static atomic_uint may_stop;

static void RunUntilStopped(void* unused) {
  (void)unused;
  atomic_store(&entered, 1);
  SpinUntil(&may_stop, 1);
}

void TestSipiElsewhere(void) {
  for (uint32_t cpu = 1; cpu < CpuCount(); ++cpu) {
    if (!Chosen(cpu, CpuCount())) continue;
    SendStartup(cpu);
    CheckNoOtherStart(cpu);

    atomic_store(&entered, 0);
    atomic_store(&may_stop, 0);
    Post(cpu, RunUntilStopped, NULL);
    SpinUntil(&entered, 1);
    SendStartup(cpu);
    atomic_store(&may_stop, 1);
    Join(cpu);
    CheckNoOtherStart(cpu);

    Stop(cpu);
    SendStartup(cpu);
    Start(cpu);
    SendStartup(cpu);
    CheckNoOtherStart(cpu);
  }
  Print("sipi to a halted and to a running cpu, and three after one init: %u starts", TakeStarts());
}

void TestBroadcast(void) {
  enum { kRounds = 3 };
  for (int round = 0; round < kRounds; ++round) {
    for (uint32_t cpu = 1; cpu < CpuCount(); ++cpu) ExpectRestart(cpu);
    SendIpi(kIcrInit | kIcrAssert | kIcrAllExcludingSelf, 0);
    SendIpi(kIcrStartup | kIcrAssert | kIcrAllExcludingSelf | TRAMPOLINE >> 12, 0);
    for (uint32_t cpu = 1; cpu < CpuCount(); ++cpu) AwaitOneStart(cpu);
    for (uint32_t cpu = 1; cpu < CpuCount(); ++cpu) CheckNoOtherStart(cpu);
  }
  Print("init, sipi to all but self, %d times: %u starts", kRounds, TakeStarts());
}

static atomic_uint token, seen;

static void CopyToken(void* unused) {
  (void)unused;
  for (;;) atomic_store(&seen, atomic_load(&token));
}

void TestStopsAtOnce(void) {
  for (uint32_t cpu = 1; cpu < CpuCount(); ++cpu) {
    if (!Chosen(cpu, CpuCount())) continue;
    atomic_store(&token, 1);
    atomic_store(&seen, 0);
    Post(cpu, CopyToken, NULL);
    SpinUntil(&seen, 1);
    Stop(cpu);
    atomic_store(&token, 2);
    // Waiting for SIPI, its APIC is disabled and takes no fixed interrupt: its IRR is empty when
    // it starts.
    SendFixed(cpu, kPendingVector);
    Settle();
    CHECK_EQUAL(atomic_load(&seen), 1);
    Start(cpu);
    CHECK_EQUAL(atomic_load(&seen), 1);
    CheckNoOtherStart(cpu);
  }
  Print("no instruction after init, no interrupt before sipi: %u starts", TakeStarts());
}
