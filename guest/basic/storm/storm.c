// Everything at once. Each CPU does a sequence of operations that the seed alone decides; at the
// end each CPU must have received exactly what was sent to it. Command line: seed=N, ops=N (of each
// CPU). tests/guest/storm.py computes the same counts.
//
// With three CPUs or more the last one takes no part: CPU 0 keeps restarting it.
#include "random.h"
#include "runtime/guest.h"

enum {
  kFenceVector = 0x30,
  kPostVector = 0x50,
  kCallVector = 0x60,
  kTimerVector = 0x70,
  kAllVector = 0x80,
  kTimerClocks = 50 * 1000,
};

enum Operation { kPost, kCall, kNmi, kSelf, kAll, kTimer, kLock, kRestart, kOperations };

static const char* const kNames[kOperations] = {"post", "call",  "nmi",  "self",
                                                "all",  "timer", "lock", "restart"};

// By four bits of a random number.
static const uint8_t kChoice[16] = {kPost, kPost, kPost, kPost, kPost,  kCall, kCall, kCall,
                                    kNmi,  kSelf, kSelf, kAll,  kTimer, kLock, kLock, kRestart};

static struct {
  // Its own.
  uint32_t done[kOperations];
  atomic_uint answered;
  atomic_uint ticks;
  atomic_uint fence;
  atomic_uint seen;  // of `broadcasts`
  // Written by others before they interrupt it, and what it took of that.
  atomic_uint posts, posts_sent, posts_taken;
  atomic_uint nmis, nmis_sent, nmis_taken;
  atomic_uint calls_sent, calls_taken;
  atomic_uint callers[MAX_CPUS / 32];
} __attribute__((aligned(64))) state[MAX_CPUS];

static uint32_t players;  // CPUs that take part
static uint32_t victim;   // 0: none
static uint32_t victim_starts = 1;
static uint32_t seed, operations;
static atomic_uint broadcasts;
static struct SpinLock lock;
static uint32_t locked;  // guarded by `lock`

INTERRUPT_HANDLER(OnPost) {
  atomic_fetch_add(&state[CpuNumber()].posts_taken, atomic_exchange(&state[CpuNumber()].posts, 0));
  EndOfInterrupt();
}

INTERRUPT_HANDLER(OnNmi) {
  atomic_fetch_add(&state[CpuNumber()].nmis_taken, atomic_exchange(&state[CpuNumber()].nmis, 0));
}

INTERRUPT_HANDLER(OnCall) {
  const uint32_t self = CpuNumber();
  for (uint32_t word = 0; word * 32 < players; ++word) {
    uint32_t callers = atomic_exchange(&state[self].callers[word], 0);
    for (uint32_t caller = word * 32; callers != 0; ++caller, callers >>= 1) {
      if (!(callers & 1)) continue;
      atomic_fetch_add(&state[self].calls_taken, 1);
      atomic_store(&state[caller].answered, 1);
      if (caller != self) Wake(caller);
    }
  }
  EndOfInterrupt();
}

INTERRUPT_HANDLER(OnTimer) {
  atomic_fetch_add(&state[CpuNumber()].ticks, 1);
  EndOfInterrupt();
}

INTERRUPT_HANDLER(OnAll) {
  atomic_store(&state[CpuNumber()].seen, atomic_load(&broadcasts));
  EndOfInterrupt();
}

INTERRUPT_HANDLER(OnFence) {
  atomic_store(&state[CpuNumber()].fence, 1);
  EndOfInterrupt();
}

static void Do(enum Operation operation, uint32_t target) {
  const uint32_t self = CpuNumber();
  switch (operation) {
    case kPost:
    case kSelf:
      if (operation == kSelf) target = self;
      atomic_fetch_add(&state[target].posts_sent, 1);
      atomic_fetch_add(&state[target].posts, 1);
      SendIpi(kIcrFixed | kIcrAssert | (operation == kSelf ? kIcrSelf : 0) | kPostVector, target);
      break;
    case kCall:
      atomic_fetch_add(&state[target].calls_sent, 1);
      atomic_store(&state[self].answered, 0);
      atomic_fetch_or(&state[target].callers[self / 32], 1u << self % 32);
      SendFixed(target, kCallVector);
      HaltUntil(&state[self].answered, 1);
      break;
    case kNmi:
      atomic_fetch_add(&state[target].nmis_sent, 1);
      atomic_fetch_add(&state[target].nmis, 1);
      SendNmi(target);
      break;
    case kAll:
      // Its own broadcast does not reach it; one that another CPU makes meanwhile does.
      DisableInterrupts();
      atomic_store(&state[self].seen, atomic_fetch_add(&broadcasts, 1) + 1);
      EnableInterrupts();
      SendIpi(kIcrFixed | kIcrAssert | kIcrAllExcludingSelf | kAllVector, 0);
      break;
    case kTimer: {
      const uint32_t due = atomic_load(&state[self].ticks) + 1;
      WriteApic(kApicInitialCount, kTimerClocks);
      HaltUntil(&state[self].ticks, due);
      break;
    }
    case kLock:
      Lock(&lock);
      ++locked;
      Unlock(&lock);
      break;
    case kRestart:
      if (self != 0 || victim == 0) break;
      ExpectRestart(victim);
      SendInit(victim);
      SendStartup(victim);
      AwaitStarts(victim, ++victim_starts);
      break;
    default:
      break;
  }
}

static void Storm(void* unused) {
  (void)unused;
  WriteApic(kApicDivide, 0xB);
  WriteApic(kApicLvtTimer, kTimerVector);
  struct Random random = SeedRandom(seed, CpuNumber());
  for (uint32_t i = 0; i < operations; ++i) {
    const uint32_t number = NextRandom(&random);
    const enum Operation operation = kChoice[number >> 8 & 15];
    ++state[CpuNumber()].done[operation];
    Do(operation, (number >> 16) % players);
  }
}

// When all have stopped sending. Whatever is pending is taken before the fence, the lowest.
static void CheckReceived(void* unused) {
  (void)unused;
  const uint32_t self = CpuNumber();
  SendFixed(self, kFenceVector);
  HaltUntil(&state[self].fence, 1);
  CHECK_EQUAL(atomic_load(&state[self].posts_taken), atomic_load(&state[self].posts_sent));
  CHECK_EQUAL(atomic_load(&state[self].calls_taken), atomic_load(&state[self].calls_sent));
  CHECK_EQUAL(atomic_load(&state[self].ticks), state[self].done[kTimer]);
  CHECK_EQUAL(atomic_load(&state[self].seen), atomic_load(&broadcasts));
  SpinUntil(&state[self].nmis_taken, atomic_load(&state[self].nmis_sent));
}

static void PrintCounts(uint32_t cpu) {
  const uint32_t* done = state[cpu].done;
  Print(
      "cpu %u: %s %u, %s %u, %s %u, %s %u, %s %u, %s %u, %s %u, %s %u; "
      "got post %u, call %u, nmi %u",
      cpu, kNames[0], done[0], kNames[1], done[1], kNames[2], done[2], kNames[3], done[3],
      kNames[4], done[4], kNames[5], done[5], kNames[6], done[6], kNames[7], done[7],
      atomic_load(&state[cpu].posts_taken), atomic_load(&state[cpu].calls_taken),
      atomic_load(&state[cpu].nmis_taken));
}

void GuestMain(void) {
  SetHandler(kFenceVector, OnFence);
  SetHandler(kPostVector, OnPost);
  SetHandler(kCallVector, OnCall);
  SetHandler(kTimerVector, OnTimer);
  SetHandler(kAllVector, OnAll);
  SetHandler(kNmiVector, OnNmi);
  seed = (uint32_t)CommandLineNumber("seed", 1);
  operations = (uint32_t)CommandLineNumber("ops", 100);
  players = CpuCount() < 3 ? CpuCount() : CpuCount() - 1;
  victim = CpuCount() < 3 ? 0 : CpuCount() - 1;

  StartAllCpus();
  Print("storm, cpus: %u, %s, seed=%u ops=%u", CpuCount(), ThisCpu()->x2apic ? "x2apic" : "xapic",
        seed, operations);
  for (uint32_t cpu = 1; cpu < players; ++cpu) Post(cpu, Storm, NULL);
  Storm(NULL);
  for (uint32_t cpu = 1; cpu < players; ++cpu) Join(cpu);

  uint32_t locks = 0;
  for (uint32_t cpu = 0; cpu < players; ++cpu) {
    RunOn(cpu, CheckReceived, NULL);
    PrintCounts(cpu);
    locks += state[cpu].done[kLock];
  }
  CHECK_EQUAL(locked, locks);
  Print("storm passed");
}
