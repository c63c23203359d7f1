#include "handshake.h"

#include "nmi_halt.h"
#include "runtime/guest.h"

static atomic_uint sender, due, answers;
static uint32_t due_in_all, due_at_last_call;

static struct {
  atomic_uint pings, nmis;
} __attribute__((aligned(64))) counts[MAX_CPUS];

// With the last answer the round is over, and the sender may have opened the next one at once: what
// belongs to the round is read before it.
static void Answer(bool is_nmi) {
  const uint32_t to = sender, wanted = due;
  const uint32_t now = atomic_fetch_add(&answers, 1) + 1;
  if (now > wanted) Fail("answer %u to messages that were to give %u", now, wanted);
  // A fixed interrupt ends the sender's own HLT. An NMI may come between its last look and the HLT.
  if (now == wanted && (to != CpuNumber() || is_nmi)) Wake(to);
}

INTERRUPT_HANDLER(OnPing) {
  atomic_fetch_add(&counts[CpuNumber()].pings, 1);
  Answer(false);
  EndOfInterrupt();
}

INTERRUPT_HANDLER(OnNmi) {
  atomic_fetch_add(&counts[CpuNumber()].nmis, 1);
  RestartNmiHalt(frame);
  Answer(true);
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
