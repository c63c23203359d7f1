// Interrupts to and fro between two running CPUs. Prints the TSC ticks of `rounds` round trips
// (default 200), after as many that do not count.
#include "runtime/guest.h"

enum { kPing = 0x40, kPong = 0x41 };

static atomic_uint pinged, ponged;

INTERRUPT_HANDLER(OnPing) {
  atomic_store_explicit(&pinged, 1, memory_order_relaxed);
  EndOfInterrupt();
}

INTERRUPT_HANDLER(OnPong) {
  atomic_store_explicit(&ponged, 1, memory_order_relaxed);
  EndOfInterrupt();
}

// Both wait with interrupts on, so that one that arrives can be taken at once.
static void AwaitAndClear(atomic_uint* flag) {
  while (atomic_load_explicit(flag, memory_order_relaxed) == 0) {
  }
  atomic_store_explicit(flag, 0, memory_order_relaxed);
}

static void Answer(void* rounds) {
  for (uint64_t i = 0; i < *(uint64_t*)rounds; ++i) {
    AwaitAndClear(&pinged);
    SendFixed(0, kPong);
  }
}

static void Ask(uint64_t rounds) {
  for (uint64_t i = 0; i < rounds; ++i) {
    SendFixed(1, kPing);
    AwaitAndClear(&ponged);
  }
}

void GuestMain(void) {
  const uint64_t rounds = CommandLineNumber("rounds", 200);
  uint64_t answers = 2 * rounds;
  SetHandler(kPing, OnPing);
  SetHandler(kPong, OnPong);
  StartAllCpus();
  if (CpuCount() != 2) Fail("this is for 2 CPUs");
  Post(1, Answer, &answers);
  Ask(rounds);
  const uint64_t begin = ReadTsc();
  Ask(rounds);
  const uint64_t end = ReadTsc();
  Join(1);
  Print("%lu", end - begin);
}
