// Goes through what a host VMM does around its vCPUs, asking for it: port 0x2000.
#include "../host_port.h"
#include "runtime/guest.h"

static atomic_uint visits, msis, ticks, pauses;
static uint64_t high_directory[512] __attribute__((aligned(4096)));

// The IN returns when the host has done it.
static uint32_t Ask(uint32_t what) {
  WritePort32(kHostPort, what);
  return ReadPort32(kHostPort);
}

static void Visit(void* unused) {
  (void)unused;
  atomic_fetch_add(&visits, 1);
}

INTERRUPT_HANDLER(OnMsi) {
  atomic_fetch_add(&msis, 1);
  EndOfInterrupt();
}

// Maps the 2 MiB at 4 GiB, which the runtime leaves out.
static volatile uint64_t* MapHigh(void) {
  uint64_t cr3;
  asm volatile("mov %%cr3, %0" : "=r"(cr3));
  uint64_t* pdpt = (uint64_t*)(*(uint64_t*)cr3 & ~0xfffull);
  high_directory[0] = kHighMemory | 0x83;
  pdpt[4] = (uint64_t)high_directory | 3;
  return (volatile uint64_t*)kHighMemory;
}

static void MemoryAbove4GiB(void) {
  volatile uint64_t* word = MapHigh();
  *word = 0x123456789;
  Ask(kHostDoubles);
  CHECK_EQUAL(*word, 0x2468acf12);
}

// Nobody is woken by a CPU's first start.
static void Start(uint32_t cpu, uint32_t starts) {
  ExpectRestart(cpu);
  SendInit(cpu);
  SendStartup(cpu);
  SpinUntil(&cpus[cpu].starts, starts);
  const uint32_t before = atomic_load(&visits);
  RunOn(cpu, Visit, NULL);
  CHECK_EQUAL(atomic_load(&visits), before + 1);
}

// A vCPU that joins is in wait-for-SIPI, whatever it was in an earlier life.
static void OneJoins(uint32_t cpu, uint32_t starts) {
  CHECK_EQUAL(Ask(kHostAdds), cpu);
  Start(cpu, starts);
}

static void OneLeaves(uint32_t cpu, uint32_t starts) {
  Ask(kHostRemoves);
  SendFixed(cpu, kWakeVector);  // to nobody
  SendInit(cpu);
  SendStartup(cpu);
  CHECK_EQUAL(atomic_load(&cpus[cpu].starts), starts);
}

static void Msis(void) {
  SetHandler(kHostVector, OnMsi);
  for (uint32_t i = 1; i <= 10; ++i) {
    DisableInterrupts();
    Ask(kHostSendsMsi);
    while (atomic_load(&msis) != i) {
      EnableInterruptsAndHalt();
      DisableInterrupts();
    }
    EnableInterrupts();
  }
}

// The host looks at `ticks` while this stands still.
static void Pauses(void) {
  WritePort32(kHostAddressPort, (uint32_t)(uint64_t)&ticks);
  WritePort32(kHostAddressPort, (uint32_t)(uint64_t)&pauses);
  Ask(kHostPauses);
  while (atomic_load(&pauses) != 3) atomic_fetch_add(&ticks, 1);
}

void GuestMain(void) {
  if (Ask(kHostCountsResets) == 1) {
    Print("came through a reset");
    PowerOff();
  }
  MemoryAbove4GiB();
  const uint32_t last = CpuCount() - 1;  // the others are there already
  for (uint32_t cpu = 1; cpu < last; ++cpu) {
    Start(cpu, 1);
  }
  OneJoins(last, 1);
  OneLeaves(last, 1);
  OneJoins(last, 2);
  OneLeaves(last, 2);
  Msis();
  Pauses();
  Print("visited");
  Ask(kHostResets);
  Fail("the host did not reset");
}
