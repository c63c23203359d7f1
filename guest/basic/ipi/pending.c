// What becomes of interrupts that a CPU can not take at once.
#include "handshake.h"
#include "nmi_halt.h"
#include "runtime/guest.h"
#include "tests.h"

enum { kMergeVector = 0x60, kFenceVector = 0x30, kVectors = 3 };

// --- Edges of one vector merge: one can be in service and one pending, the rest are not counted.

enum Stage { kIdle, kInterruptsOff, kSentFirst, kInService, kSentSecond };

static atomic_uint stage, merged, fence;
static bool senders_are_targets;  // with 1 CPU

static void SendThree(uint32_t cpu) {
  for (int i = 0; i < 3; ++i) SendFixed(cpu, kMergeVector);
  CHECK(!senders_are_targets || ApicVectorIsSet(kApicIrr, kMergeVector));
}

INTERRUPT_HANDLER(OnMerge) {
  CHECK(ApicVectorIsSet(kApicIsr, kMergeVector));
  if (atomic_fetch_add(&merged, 1) == 0) {
    CHECK(!ApicVectorIsSet(kApicIrr, kMergeVector));
    atomic_store(&stage, kInService);
    if (senders_are_targets) {
      SendThree(CpuNumber());
    } else {
      SpinUntil(&stage, kSentSecond);
    }
    CHECK(ApicVectorIsSet(kApicIrr, kMergeVector));
  }
  EndOfInterrupt();
}

INTERRUPT_HANDLER(OnFence) {
  atomic_store(&fence, 1);
  EndOfInterrupt();
}

// Every interrupt of a higher priority that was pending before is taken when this returns.
static void Fence(void) {
  atomic_store(&fence, 0);
  SendFixed(CpuNumber(), kFenceVector);
  HaltUntil(&fence, 1);
}

static void Receive(void* unused) {
  (void)unused;
  DisableInterrupts();
  atomic_store(&stage, kInterruptsOff);
  if (senders_are_targets) {
    SendThree(CpuNumber());
  } else {
    SpinUntil(&stage, kSentFirst);
    CHECK(ApicVectorIsSet(kApicIrr, kMergeVector));
  }
  CHECK(!ApicVectorIsSet(kApicIsr, kMergeVector));
  EnableInterrupts();
  Fence();
}

static void SendMerged(void* unused) {
  (void)unused;
  atomic_store(&stage, kIdle);
  Post(NextCpu(), Receive, NULL);
  SpinUntil(&stage, kInterruptsOff);
  SendThree(NextCpu());
  atomic_store(&stage, kSentFirst);
  SpinUntil(&stage, kInService);
  SendThree(NextCpu());
  atomic_store(&stage, kSentSecond);
  Join(NextCpu());
}

void TestMerge(void) {
  SetHandler(kMergeVector, OnMerge);
  SetHandler(kFenceVector, OnFence);
  senders_are_targets = CpuCount() == 1;
  uint32_t targets = 0;
  for (uint32_t cpu = 0; cpu < CpuCount(); ++cpu) {
    if (!Chosen(cpu, CpuCount())) continue;
    atomic_store(&merged, 0);
    if (senders_are_targets) {
      Receive(NULL);
    } else {
      RunOn(cpu, SendMerged, NULL);
    }
    CHECK_EQUAL(atomic_load(&merged), 2);
    ++targets;
  }
  Print("edges merge: 3 while interrupts are off and 3 while in service are 2, cpus: %u", targets);
}

// --- The highest comes first, and TPR holds back its own class and those below.

static const uint8_t kByPriority[kVectors] = {0x71, 0x61, 0x51};
enum { kHeldBack = 0x6 };  // TPR's class, the middle vector's

static struct {
  atomic_uint count;
  uint32_t vectors[kVectors];
} __attribute__((aligned(64))) taken[MAX_CPUS];

static void Take(uint32_t vector) {
  const uint32_t n = atomic_load(&taken[CpuNumber()].count);
  CHECK(n < kVectors);
  taken[CpuNumber()].vectors[n] = vector;
  atomic_store(&taken[CpuNumber()].count, n + 1);
  EndOfInterrupt();
}

INTERRUPT_HANDLER(OnHigh) { Take(kByPriority[0]); }
INTERRUPT_HANDLER(OnMiddle) { Take(kByPriority[1]); }
INTERRUPT_HANDLER(OnLow) { Take(kByPriority[2]); }

static void SetTprByRegister(uint32_t task_class) { WriteApic(kApicTpr, task_class << 4); }

static void SetTprByCr8(uint32_t task_class) {
  asm volatile("mov %0, %%cr8" : : "r"((uint64_t)task_class) : "memory");
}

static void SendAllAndCheckOrder(void (*set_tpr)(uint32_t)) {
  atomic_uint* count = &taken[CpuNumber()].count;
  atomic_store(count, 0);
  set_tpr(0);
  DisableInterrupts();
  for (int i = 1; i <= kVectors; ++i) SendFixed(CpuNumber(), kByPriority[i % kVectors]);
  EnableInterrupts();
  SpinUntil(count, kVectors);
  for (int i = 0; i < kVectors; ++i) CHECK_EQUAL(taken[CpuNumber()].vectors[i], kByPriority[i]);

  // Now the middle and the low one have to wait until TPR is lowered.
  atomic_store(count, 0);
  set_tpr(kHeldBack);
  CHECK_EQUAL(ReadApic(kApicTpr), kHeldBack << 4);
  CHECK_EQUAL(ReadApic(kApicPpr), kHeldBack << 4);
  for (int i = 1; i <= kVectors; ++i) SendFixed(CpuNumber(), kByPriority[i % kVectors]);
  SpinUntil(count, 1);
  CHECK_EQUAL(taken[CpuNumber()].vectors[0], kByPriority[0]);
  CHECK(ApicVectorIsSet(kApicIrr, kByPriority[1]) && ApicVectorIsSet(kApicIrr, kByPriority[2]));
  CHECK_EQUAL(atomic_load(count), 1);
  set_tpr(0);
  SpinUntil(count, kVectors);
  for (int i = 0; i < kVectors; ++i) CHECK_EQUAL(taken[CpuNumber()].vectors[i], kByPriority[i]);
}

static void CheckPriority(void* unused) {
  (void)unused;
  SendAllAndCheckOrder(SetTprByRegister);
  SendAllAndCheckOrder(SetTprByCr8);
}

void TestPriority(void) {
  SetHandler(kByPriority[0], OnHigh);
  SetHandler(kByPriority[1], OnMiddle);
  SetHandler(kByPriority[2], OnLow);
  uint32_t checked = 0;
  for (uint32_t cpu = 0; cpu < CpuCount(); ++cpu) {
    if (!Chosen(cpu, CpuCount())) continue;
    RunOn(cpu, CheckPriority, NULL);
    ++checked;
  }
  Print("highest first, TPR and CR8 hold back the rest, cpus: %u", checked);
}

// --- HLT with interrupts off is ended by NMI, not by a fixed interrupt, which waits for STI.

static atomic_uint halting, nmi_sent;

static void HaltWithInterruptsOff(void* unused) {
  (void)unused;
  const uint32_t pings = MyPings(), nmis = MyNmis();
  DisableInterrupts();
  atomic_store(&halting, 1);
  const uint32_t for_nothing = NmiHalt(&nmi_sent);
  CHECK_EQUAL(for_nothing, 0);
  CHECK_EQUAL(MyNmis(), nmis + 1);
  CHECK_EQUAL(MyPings(), pings);
  EnableInterrupts();
}

static void SendFixedThenNmi(void* unused) {
  (void)unused;
  atomic_store(&halting, 0);
  atomic_store(&nmi_sent, 0);
  Post(NextCpu(), HaltWithInterruptsOff, NULL);
  SpinUntil(&halting, 1);
  ExpectAnswers(2);
  SendFixed(NextCpu(), kPingVector);
  for (int i = 0; i < 200; ++i) Pause();
  atomic_store(&nmi_sent, 1);
  SendNmi(NextCpu());
  AwaitAnswers();
  Join(NextCpu());
}

void TestHaltWithInterruptsOff(void) {
  for (uint32_t cpu = 0; cpu < CpuCount(); ++cpu) {
    if (Chosen(cpu, CpuCount())) RunOn(cpu, SendFixedThenNmi, NULL);
  }
  Print("halted with interrupts off, ended by nmi and by no fixed interrupt: %u answered",
        TakeAnswersDue());
}
