// Two trace buffers for each CPU, and a reader that exchanges them: dtrace's
// dtrace_buffer_switch(). A producer has interrupts off from when it loads the pointer to when it
// has written; so a reader that has been answered by an interrupt handler there knows that nobody
// writes to the old buffer.
//
//   CPU 0 (reads)                      CPU 1 (traces, interrupts off)
//                                      loads the pointer to the buffer
//   exchanges the buffers, reads the
//   old one, empties it
//                                      writes there: a record that nobody ever reads
//
// To call all CPUs between the exchange and the reading makes the reader wait for the producer.
// (dtrace has the exchange itself made on the producer's CPU, by a cross-call, to the same end.)
#include "scenarios/dtrace/x_call.h"

enum { kRecords = 8, kEach = 2 };

struct Buffer {
  uint32_t count;
  uint32_t records[kRecords];
};

static volatile struct Buffer buffers[kXcallCpus][2];
static atomic_uint active[kXcallCpus];
static atomic_uint produced;
static uint32_t drained;
static volatile uint32_t lost;

static void Answer(void* unused) { (void)unused; }

static void Produce(void* unused) {
  (void)unused;
  const uint32_t self = CpuNumber();
  for (uint32_t i = 0; i < kEach; ++i) {
    DisableInterrupts();
    volatile struct Buffer* buffer = &buffers[self][atomic_load(&active[self])];
    GATE("loaded");
    buffer->records[buffer->count] = i;
    ++buffer->count;
    atomic_fetch_add(&produced, 1);
    EnableInterrupts();
    GATE("written");
  }
}

// Reads and empties what was written until now.
static void Drain(bool asks_first) {
  for (uint32_t cpu = 1; cpu < CpuCount(); ++cpu) {
    volatile struct Buffer* old = &buffers[cpu][atomic_fetch_xor(&active[cpu], 1)];
    if (asks_first) dtrace_xcall(cpu, false, Answer, NULL);
    drained += old->count;
    old->count = 0;
  }
  GATE("drained");
}

void GuestMain(void) {
  const bool asks_first = CommandLineHas("variant=cross-call");
  StartAllCpus();
  BeginXcalls();
  for (uint32_t cpu = 1; cpu < CpuCount(); ++cpu) Post(cpu, Produce, NULL);
  GATE("drain");
  Drain(asks_first);
  for (uint32_t cpu = 1; cpu < CpuCount(); ++cpu) Join(cpu);
  Drain(asks_first);  // of those that are active now; the others have been emptied
  lost = atomic_load(&produced) - drained;
}
