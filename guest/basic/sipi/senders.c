// INIT and SIPI from more than one CPU.
#include "restart.h"
#include "runtime/guest.h"
#include "tests.h"

static atomic_uint go, ready;

// Some CPU that is neither CPU 0 nor `cpu`.
static uint32_t Another(uint32_t cpu) { return cpu + 1 < CpuCount() ? cpu + 1 : 1; }

static void SipiWhenInitIsSent(void* target) {
  atomic_store(&ready, 1);
  SpinUntil(&go, 1);
  SendStartup((uint32_t)(uintptr_t)target);
}

// CPU 0 sends INIT; another CPU, once it has seen a word that CPU 0 stored after it, sends SIPI.
// CPU 0's own SIPI comes at the same time: one of the two starts the target, the other does
// nothing.
void TestSipiFromAnother(void) {
  for (uint32_t cpu = 1; cpu < CpuCount(); ++cpu) {
    if (!Chosen(cpu, CpuCount())) continue;
    for (int both = 0; both < 2; ++both) {
      atomic_store(&go, 0);
      atomic_store(&ready, 0);
      Post(Another(cpu), SipiWhenInitIsSent, (void*)(uintptr_t)cpu);
      SpinUntil(&ready, 1);
      Stop(cpu);
      atomic_store(&go, 1);
      if (both) SendStartup(cpu);
      AwaitOneStart(cpu);
      Join(Another(cpu));
      CheckNoOtherStart(cpu);
    }
  }
  Print("init from one cpu, sipi from another, then from both: %u starts", TakeStarts());
}

static void InitAndSipi(void* target) {
  atomic_store(&ready, 1);
  SpinUntil(&go, 1);
  SendInit((uint32_t)(uintptr_t)target);
  SendStartup((uint32_t)(uintptr_t)target);
}

// Both send INIT, SIPI: one start or two, by how they meet; the target is up at the end.
void TestTwoSenders(void) {
  uint32_t targets = 0;
  for (uint32_t cpu = 1; cpu < CpuCount(); ++cpu) {
    if (!Chosen(cpu, CpuCount())) continue;
    atomic_store(&go, 0);
    atomic_store(&ready, 0);
    Post(Another(cpu), InitAndSipi, (void*)(uintptr_t)cpu);
    SpinUntil(&ready, 1);
    ExpectRestart(cpu);
    atomic_store(&go, 1);
    SendInit(cpu);
    SendStartup(cpu);
    Join(Another(cpu));
    AwaitAnyStarts(cpu, 2);
    ++targets;
  }
  Print("init, sipi from two cpus at once: %u up again", targets);
}

static void InitTheOther(void* other) {
  atomic_fetch_add(&ready, 1);
  SpinUntil(&go, 1);
  SendInit((uint32_t)(uintptr_t)other);
  for (;;) EnableInterruptsAndHalt();
}

// Two CPUs send INIT to each other. Either both are reset, or the first one to be heard goes on;
// then CPU 0 restarts both.
void TestCrossed(void) {
  enum { kRounds = 4 };
  uint32_t up = 0;
  for (uint32_t cpu = 1; cpu < CpuCount(); ++cpu) {
    if (!Chosen(cpu, CpuCount())) continue;
    const uint32_t other = Another(cpu);
    for (int round = 0; round < kRounds; ++round) {
      atomic_store(&go, 0);
      atomic_store(&ready, 0);
      Post(cpu, InitTheOther, (void*)(uintptr_t)other);
      Post(other, InitTheOther, (void*)(uintptr_t)cpu);
      SpinUntil(&ready, 2);
      atomic_store(&go, 1);
      Settle();
      Stop(cpu);
      Stop(other);
      SendStartup(cpu);
      SendStartup(other);
      AwaitAnyStarts(cpu, 1);
      AwaitAnyStarts(other, 1);
      up += 2;
    }
  }
  Print("two cpus init each other, %d times each: %u up again", kRounds, up);
}
