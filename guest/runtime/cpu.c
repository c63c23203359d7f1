#include "runtime/cpu.h"

#include "runtime/apic.h"
#include "runtime/console.h"
#include "runtime/gate.h"
#include "runtime/ipi.h"
#include "runtime/irq.h"
#include "runtime/platform.h"
#include "runtime/wait.h"
#include "runtime/x86.h"

struct Cpu cpus[MAX_CPUS];

static uint32_t cpu_count = 1;
static bool want_x2apic;
static StartHook* start_hook;
static atomic_uint online;  // CPUs that have started for the first time

extern const char trampoline[], trampoline_end[];

uint32_t CpuCount(void) { return cpu_count; }

void SetStartHook(StartHook* hook) { start_hook = hook; }

void StartAllCpus(void) {
  if (cpu_count == 1) return;
  // The manual's 10 ms after INIT and its second SIPI are for buses of the last century.
  SendIpi(kIcrInit | kIcrAssert | kIcrAllExcludingSelf, 0);
  SendIpi(kIcrStartup | kIcrAssert | kIcrAllExcludingSelf | TRAMPOLINE >> 12, 0);
  HaltUntil(&online, cpu_count);
}

void Post(uint32_t cpu, CpuFunction* function, void* argument) {
  struct Cpu* target = &cpus[cpu];
  target->function = function;
  target->argument = argument;
  target->poster = CpuNumber();
  atomic_store(&target->work, kWorkPosted);
  Wake(cpu);
}

static void Serve(struct Cpu* cpu) {
  atomic_store(&cpu->work, kWorkRunning);
  cpu->function(cpu->argument);
  const uint32_t poster = cpu->poster;
  atomic_store(&cpu->work, kNoWork);
  Wake(poster);
}

// HaltUntil() for two words: the target's, and this CPU's own, where work may come meanwhile.
void Join(uint32_t cpu) {
  struct Cpu* self = ThisCpu();
  const atomic_uint* work = &cpus[cpu].work;
  const struct Wait wait = {(uint64_t)work, kNoWork,       CALLER_ADDRESS(),
                            kWaitEqual,     sizeof(*work), 1};
  DisableInterrupts();
  while (atomic_load(work) != kNoWork) {
    if (atomic_load(&self->work) == kWorkPosted) {
      EnableInterrupts();
      Serve(self);
    } else {
      DeclareWait(&wait);
      EnableInterruptsAndHalt();
    }
    DisableInterrupts();
  }
  DeclareWait(NULL);
  EnableInterrupts();
}

void RunOn(uint32_t cpu, CpuFunction* function, void* argument) {
  if (cpu == CpuNumber()) {
    function(argument);
  } else {
    Post(cpu, function, argument);
    Join(cpu);
  }
}

void RunOnAll(CpuFunction* function, void* argument) {
  const uint32_t self = CpuNumber();
  for (uint32_t cpu = 0; cpu < cpu_count; ++cpu) {
    if (cpu != self) Post(cpu, function, argument);
  }
  function(argument);
  for (uint32_t cpu = 0; cpu < cpu_count; ++cpu) {
    if (cpu != self) Join(cpu);
  }
}

void ExpectRestart(uint32_t cpu) {
  atomic_store(&cpus[cpu].work, kNoWork);
  cpus[cpu].starter = CpuNumber();
}

void AwaitStarts(uint32_t cpu, uint32_t starts) { HaltUntil(&cpus[cpu].starts, starts); }

static _Noreturn void Idle(struct Cpu* cpu) {
  for (;;) {
    HaltUntil(&cpu->work, kWorkPosted);
    Serve(cpu);
  }
}

// For the stacks of all but the boot CPU: one that is not there loses what is pushed on it.
static void CheckMemory(uint32_t count) {
  enum { kMib = 1024 * 1024 };
  const uint32_t wanted = (STACKS + (count - 1) * STACK_SIZE + kMib - 1) / kMib;
  const uint32_t kib = MemoryKib();
  if (kib != 0 && kib / 1024 < wanted) {
    Fail("%u CPUs need %u MiB of memory; there are %u", count, wanted, kib / 1024);
  }
}

static struct Cpu* InitCpu(uint32_t apic_id) {
  struct Cpu* cpu = &cpus[apic_id];
  cpu->self = cpu;
  cpu->number = apic_id;
  cpu->x2apic = (ReadMsr(kMsrApicBase) & kApicBaseX2Apic) != 0;
  WriteMsr(kMsrGsBase, (uint64_t)cpu);
  LoadInterruptTable();
  return cpu;
}

static void EnableThisApic(void) {
  if (want_x2apic) EnterX2Apic();
  EnableApic();
}

static _Noreturn void BootCpu(struct Cpu* cpu, uint32_t magic, uint32_t information) {
  BuildInterruptTable();
  InitConsole();
  InitPlatform(magic, information);
  InitGates();
  if (CommandLineHas("console=e9")) UseDebugConsole();
  if (cpu->number != 0) Fail("the boot CPU's APIC id is %u; the runtime wants 0", cpu->number);

  // The 8259s may hold what firmware left: nothing here uses them.
  WritePort8(0x21, 0xFF);
  WritePort8(0xA1, 0xFF);

  want_x2apic = CommandLineHas("x2apic");
  if (want_x2apic && !HasX2Apic()) Fail("x2apic is asked for, but CPUID does not offer it");
  EnableThisApic();

  const uint32_t count = CpuCountFromFwCfg();
  if (count == 0) Print("no fw_cfg device: going on with 1 CPU");
  if (count > MAX_CPUS) Fail("%u CPUs; the runtime has room for %u", count, MAX_CPUS);
  if (count > 1) {
    CheckMemory(count);
    cpu_count = count;
  }

  for (size_t i = 0; trampoline + i < trampoline_end; ++i) {
    ((volatile char*)TRAMPOLINE)[i] = trampoline[i];
  }
  atomic_store(&online, 1);
  EnableInterrupts();
  GuestMain();
  PowerOff();
}

// Called by boot.S on each CPU, on its own stack; `magic` is 0 on CPUs that SIPI started.
_Noreturn void RuntimeMain(uint32_t magic, uint32_t information, uint32_t apic_id) {
  if (magic != 0) BootCpu(InitCpu(apic_id), magic, information);

  // A CPU that fw_cfg did not count is left alone.
  if (apic_id >= cpu_count) HaltForever();
  struct Cpu* cpu = InitCpu(apic_id);
  if (start_hook != NULL) start_hook(cpu);
  EnableThisApic();
  if (atomic_fetch_add(&cpu->starts, 1) == 0) {
    if (atomic_fetch_add(&online, 1) + 1 == cpu_count) Wake(0);
  } else {
    Wake(cpu->starter);
  }
  Idle(cpu);
}
