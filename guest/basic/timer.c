// The APIC timer of every CPU: one-shot, periodic, masked, and with the word `deadline` on the
// command line TSC-deadline; while the CPU runs and while it sleeps. Ticks are counted, never
// timed.
#include "runtime/guest.h"

enum {
  kTimerVector = 0x40,
  kPeriodicVector = 0x50,  // of a higher priority
  kPeriodic = 1 << 17,
  kDeadline = 2 << 17,
  kDivideBy1 = 0xB,
  kTicksOfPeriodic = 5,
  // Soon: long enough to go to sleep before it is over. Never: divided by 128, minutes.
  kSoon = 200 * 1000,
  kPeriod = 2 * 1000 * 1000,
  kNever = 0xFFFFFFFF,
};

static struct {
  atomic_uint count;     // of kTimerVector
  atomic_uint periodic;  // of kPeriodicVector
  atomic_uint stopped;
} __attribute__((aligned(64))) ticks[MAX_CPUS];

static uint32_t checked;  // shots whose ticks were waited for, on all CPUs

INTERRUPT_HANDLER(OnTimer) {
  atomic_fetch_add(&ticks[CpuNumber()].count, 1);
  EndOfInterrupt();
}

INTERRUPT_HANDLER(OnPeriodic) {
  if (atomic_fetch_add(&ticks[CpuNumber()].periodic, 1) + 1 == kTicksOfPeriodic) {
    WriteApic(kApicInitialCount, 0);
    atomic_store(&ticks[CpuNumber()].stopped, 1);
  }
  EndOfInterrupt();
}

static atomic_uint* MyTicks(void) { return &ticks[CpuNumber()].count; }

static void AwaitWord(const atomic_uint* word, uint32_t wanted, bool asleep) {
  if (asleep) {
    HaltUntil(word, wanted);
  } else {
    SpinUntil(word, wanted);
  }
}

static void Await(uint32_t count, bool asleep) { AwaitWord(MyTicks(), count, asleep); }

static void CheckOneShot(void* asleep) {
  const uint32_t before = atomic_load(MyTicks());
  uint32_t due = before;
  WriteApic(kApicLvtTimer, kTimerVector);

  static const uint8_t kDividers[] = {0xB, 0x0, 0x1, 0x2, 0x3, 0x8, 0x9, 0xA};  // by 1, 2, ... 128
  for (unsigned i = 0; i < sizeof(kDividers); ++i) {
    WriteApic(kApicDivide, kDividers[i]);
    CHECK_EQUAL(ReadApic(kApicDivide), kDividers[i]);
    WriteApic(kApicInitialCount, kSoon >> i);
    Await(++due, asleep != NULL);
    CHECK_EQUAL(ReadApic(kApicCurrentCount), 0);
  }

  // Divided by 128 now. A new count replaces the old one.
  WriteApic(kApicInitialCount, kNever);
  const uint32_t first = ReadApic(kApicCurrentCount);
  const uint32_t second = ReadApic(kApicCurrentCount);
  CHECK(second <= first && second != 0);
  WriteApic(kApicInitialCount, kSoon / 128);
  Await(++due, asleep != NULL);

  // Count 0 stops it.
  WriteApic(kApicInitialCount, kNever);
  WriteApic(kApicInitialCount, 0);
  CHECK_EQUAL(ReadApic(kApicCurrentCount), 0);
  CHECK_EQUAL(atomic_load(MyTicks()), due);
  checked += due - before;
}

static void ShootOnce(bool asleep) {
  const uint32_t due = atomic_load(MyTicks()) + 1;
  WriteApic(kApicLvtTimer, kTimerVector);
  WriteApic(kApicInitialCount, kSoon);
  Await(due, asleep);
}

// The fifth tick's handler stops the timer. A sixth may be pending by then, if the CPU was held up;
// it comes before the one-shot's tick, which is of a lower priority. None may follow.
static void CheckPeriodic(void* asleep) {
  atomic_uint* count = &ticks[CpuNumber()].periodic;
  atomic_store(count, 0);
  atomic_store(&ticks[CpuNumber()].stopped, 0);
  WriteApic(kApicDivide, kDivideBy1);
  WriteApic(kApicLvtTimer, kPeriodic | kPeriodicVector);
  WriteApic(kApicInitialCount, kPeriod);
  AwaitWord(&ticks[CpuNumber()].stopped, 1, asleep != NULL);

  ShootOnce(asleep != NULL);
  const uint32_t last = atomic_load(count);
  CHECK(last <= kTicksOfPeriodic + 1);
  ShootOnce(asleep != NULL);
  CHECK_EQUAL(atomic_load(count), last);
  checked += kTicksOfPeriodic + 2;
}

// A tick that comes while the entry is masked is lost, also to a later unmasking.
static void CheckMasked(void* unused) {
  (void)unused;
  const uint32_t before = atomic_load(MyTicks());
  WriteApic(kApicDivide, kDivideBy1);
  WriteApic(kApicLvtTimer, kLvtMasked | kTimerVector);
  WriteApic(kApicInitialCount, 1);
  while (ReadApic(kApicCurrentCount) != 0) Pause();
  CHECK(!ApicVectorIsSet(kApicIrr, kTimerVector));
  WriteApic(kApicLvtTimer, kTimerVector);
  CHECK(!ApicVectorIsSet(kApicIrr, kTimerVector));
  CHECK_EQUAL(atomic_load(MyTicks()), before);

  ShootOnce(true);
  checked += 1;
}

static void CheckDeadline(void* asleep) {
  const uint32_t before = atomic_load(MyTicks());
  WriteApic(kApicLvtTimer, kDeadline | kTimerVector);
  WriteMsr(kMsrTscDeadline, ReadTsc() + kSoon);
  Await(before + 1, asleep != NULL);
  CHECK_EQUAL(ReadMsr(kMsrTscDeadline), 0);

  WriteMsr(kMsrTscDeadline, 1);  // long past
  Await(before + 2, asleep != NULL);

  const uint64_t far = ReadTsc() + (1ull << 50);
  WriteMsr(kMsrTscDeadline, far);
  CHECK_EQUAL(ReadMsr(kMsrTscDeadline), far);
  WriteApic(kApicInitialCount, 1);  // ignored in this mode
  CHECK_EQUAL(ReadApic(kApicCurrentCount), 0);
  WriteMsr(kMsrTscDeadline, 0);
  CHECK_EQUAL(atomic_load(MyTicks()), before + 2);

  // Another mode disarms it.
  WriteMsr(kMsrTscDeadline, far);
  WriteApic(kApicLvtTimer, kTimerVector);
  WriteApic(kApicLvtTimer, kDeadline | kTimerVector);
  CHECK_EQUAL(ReadMsr(kMsrTscDeadline), 0);
  WriteApic(kApicLvtTimer, kTimerVector);
  checked += 2;
}

static void SleepOneShot(void* unused) {
  (void)unused;
  WriteApic(kApicDivide, kDivideBy1);
  ShootOnce(true);
}

static void OnEachCpu(const char* what, CpuFunction* function, bool asleep) {
  checked = 0;
  for (uint32_t cpu = 0; cpu < CpuCount(); ++cpu) {
    if (CpuCount() > 64 && (cpu & (cpu - 1)) != 0) continue;
    RunOn(cpu, function, asleep ? &checked : NULL);
  }
  Print("%s: %u ticks", what, checked);
}

void GuestMain(void) {
  SetHandler(kTimerVector, OnTimer);
  SetHandler(kPeriodicVector, OnPeriodic);
  StartAllCpus();
  Print("timer, cpus: %u, %s", CpuCount(), ThisCpu()->x2apic ? "x2apic" : "xapic");
  OnEachCpu("one-shot, cpu running", CheckOneShot, false);
  OnEachCpu("one-shot, cpu asleep", CheckOneShot, true);
  OnEachCpu("periodic, cpu running", CheckPeriodic, false);
  OnEachCpu("periodic, cpu asleep", CheckPeriodic, true);
  OnEachCpu("masked", CheckMasked, false);
  if (CommandLineHas("deadline")) {
    if (!(Cpuid(1, 0).ecx & 1u << 24)) Fail("CPUID does not offer TSC-deadline mode");
    OnEachCpu("deadline, cpu running", CheckDeadline, false);
    OnEachCpu("deadline, cpu asleep", CheckDeadline, true);
  }
  RunOnAll(SleepOneShot, NULL);
  Print("one-shot, all cpus at once: %u ticks", CpuCount());
  Print("timer passed");
}
