#include "handshake.h"

#include "nmi_halt.h"
#include "runtime/guest.h"

static uint32_t sender;
static uint32_t due;
static atomic_uint answers;
static uint32_t due_in_all, due_at_last_call;

static struct {
  atomic_uint pings, nmis;
} __attribute__((aligned(64))) counts[MAX_CPUS];

static bool Answer(void) {
  const uint32_t now = atomic_fetch_add(&answers, 1) + 1;
  if (now > due) Fail("answer %u to messages that were to give %u", now, due);
  return now == due;
}

INTERRUPT_HANDLER(OnPing) {
  atomic_fetch_add(&counts[CpuNumber()].pings, 1);
  // The sender's own HLT ends by this very interrupt.
  if (Answer() && sender != CpuNumber()) Wake(sender);
  EndOfInterrupt();
}

// An NMI may come between the sender's last look and its HLT; a fixed interrupt can not.
INTERRUPT_HANDLER(OnNmi) {
  atomic_fetch_add(&counts[CpuNumber()].nmis, 1);
  LeaveHalt(frame);
  RestartNmiHalt(frame);
  if (Answer()) Wake(sender);
}

void InitHandshake(void) {
  SetHandler(kPingVector, OnPing);
  SetHandler(kNmiVector, OnNmi);
}

void ExpectAnswers(uint32_t expected) {
  CHECK_EQUAL(atomic_load(&answers), due);
  sender = CpuNumber();
  due = expected;
  due_in_all += expected;
  atomic_store(&answers, 0);
}

void AwaitAnswers(void) { HaltUntil(&answers, due); }

void Handshake(uint32_t icr, uint32_t destination, uint32_t expected) {
  ExpectAnswers(expected);
  SendIpi(icr, destination);
  AwaitAnswers();
}

uint32_t MyPings(void) { return atomic_load(&counts[CpuNumber()].pings); }
uint32_t MyNmis(void) { return atomic_load(&counts[CpuNumber()].nmis); }

uint32_t TakeAnswersDue(void) {
  const uint32_t taken = due_in_all - due_at_last_call;
  due_at_last_call = due_in_all;
  return taken;
}

void CheckTotals(void) {
  uint32_t given = 0;
  for (uint32_t cpu = 0; cpu < CpuCount(); ++cpu) {
    given += atomic_load(&counts[cpu].pings) + atomic_load(&counts[cpu].nmis);
  }
  CHECK_EQUAL(given, due_in_all);
}
