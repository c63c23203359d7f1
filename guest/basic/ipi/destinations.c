// Every way to name a destination, every delivery mode that interrupts.
#include "handshake.h"
#include "runtime/guest.h"
#include "tests.h"

static void OnEachChosenCpu(CpuFunction* function, void* argument) {
  for (uint32_t cpu = 0; cpu < CpuCount(); ++cpu) {
    if (Chosen(cpu, CpuCount())) RunOn(cpu, function, argument);
  }
}

static void PrintAnswers(const char* what) { Print("%s: %u answered", what, TakeAnswersDue()); }

uint32_t NextCpu(void) { return (CpuNumber() + 1) % CpuCount(); }

static void SendToOthers(void* unused) {
  (void)unused;
  for (uint32_t distance = 1; distance < CpuCount(); ++distance) {
    if (!Chosen(distance, CpuCount())) continue;
    Handshake(kIcrFixed | kIcrAssert | kPingVector, (CpuNumber() + distance) % CpuCount(), 1);
  }
}

void TestFixed(void) {
  for (uint32_t cpu = 0; cpu < CpuCount(); ++cpu) RunOn(cpu, SendToOthers, NULL);
  PrintAnswers(CpuCount() <= 64 ? "fixed, all pairs"
                                : "fixed, from all cpus at distances of 1, 2, 4, 8, ...");
}

static atomic_uint running, may_stop;

static void RunUntilStopped(void* unused) {
  (void)unused;
  atomic_store(&running, 1);
  SpinUntil(&may_stop, 1);
}

static void SendToRunning(void* unused) {
  (void)unused;
  atomic_store(&running, 0);
  atomic_store(&may_stop, 0);
  Post(NextCpu(), RunUntilStopped, NULL);
  SpinUntil(&running, 1);
  Handshake(kIcrFixed | kIcrAssert | kPingVector, NextCpu(), 1);
  atomic_store(&may_stop, 1);
  Join(NextCpu());
}

void TestFixedToRunning(void) {
  OnEachChosenCpu(SendToRunning, NULL);
  PrintAnswers("fixed, to a running cpu");
}

static void SendToSelf(void* unused) {
  (void)unused;
  Handshake(kIcrFixed | kIcrAssert | kIcrSelf | kPingVector, 0, 1);
  Handshake(kIcrFixed | kIcrAssert | kPingVector, CpuNumber(), 1);
  if (ThisCpu()->x2apic) {
    ExpectAnswers(1);
    WriteApic(kApicSelfIpi, kPingVector);
    AwaitAnswers();
  }
}

void TestSelf(void) {
  for (uint32_t cpu = 0; cpu < CpuCount(); ++cpu) RunOn(cpu, SendToSelf, NULL);
  PrintAnswers(ThisCpu()->x2apic ? "fixed, to self by shorthand, by id and by register"
                                 : "fixed, to self by shorthand and by id");
}

static void SendToAll(void* unused) {
  (void)unused;
  Handshake(kIcrFixed | kIcrAssert | kIcrAllIncludingSelf | kPingVector, 0, CpuCount());
  Handshake(kIcrFixed | kIcrAssert | kPingVector, BroadcastDestination(), CpuCount());
}

static void SendToAllOthers(void* unused) {
  (void)unused;
  Handshake(kIcrFixed | kIcrAssert | kIcrAllExcludingSelf | kPingVector, 0, CpuCount() - 1);
}

void TestShorthands(void) {
  OnEachChosenCpu(SendToAll, NULL);
  PrintAnswers("fixed, to all by shorthand and by the broadcast id");
  if (CpuCount() == 1) return;
  OnEachChosenCpu(SendToAllOthers, NULL);
  PrintAnswers("fixed, to all but self");
}

static void SendNmis(void* unused) {
  (void)unused;
  Handshake(kIcrNmi | kIcrAssert, CpuNumber(), 1);
  if (CpuCount() == 1) return;
  Handshake(kIcrNmi | kIcrAssert, NextCpu(), 1);
  Handshake(kIcrNmi | kIcrAssert | kIcrAllExcludingSelf, 0, CpuCount() - 1);
}

void TestNmi(void) {
  OnEachChosenCpu(SendNmis, NULL);
  PrintAnswers(CpuCount() == 1 ? "nmi, to self" : "nmi, to self, to the next cpu, to all but self");
}

// A logical destination: a group of CPUs, and a bit for each of its members.
struct LogicalModel {
  const char* name;
  uint32_t dfr;          // xAPIC only
  uint32_t group_size;   // bits
  uint32_t groups;       // at most
  uint32_t group_shift;  // in a destination
};

// Seven of the eight CPUs that fit: 0xFF would be taken for everybody.
static const struct LogicalModel kFlat = {"flat", kDfrFlat, 7, 1, 0};
static const struct LogicalModel kCluster = {"cluster", kDfrCluster, 4, 15, 4};
static const struct LogicalModel kX2Apic = {"x2apic", 0, 16, MAX_CPUS / 16, 16};

static uint32_t Members(const struct LogicalModel* model, uint32_t group) {
  const uint32_t first = group * model->group_size;
  const uint32_t rest = CpuCount() - first;
  return rest < model->group_size ? rest : model->group_size;
}

static void SetLogicalId(void* argument) {
  const struct LogicalModel* model = argument;
  const uint32_t group = CpuNumber() / model->group_size;
  const uint32_t id = group << model->group_shift | 1u << CpuNumber() % model->group_size;
  if (ThisCpu()->x2apic) {
    CHECK_EQUAL(ReadApic(kApicLdr), id);
  } else {
    WriteApic(kApicDfr, model->dfr);
    WriteApic(kApicLdr, group < model->groups ? id << 24 : 0);
  }
}

static void SendToGroups(void* argument) {
  const struct LogicalModel* model = argument;
  const uint32_t self = CpuNumber() % model->group_size;
  for (uint32_t group = 0; group < model->groups && group * model->group_size < CpuCount();
       ++group) {
    if (!Chosen(group, CpuCount())) continue;
    const uint32_t members = Members(model, group);
    const uint32_t id = group << model->group_shift;
    const uint32_t all = (1u << members) - 1;
    const uint32_t icr = kIcrAssert | kIcrLogical | kPingVector;
    Handshake(icr | kIcrFixed, id | all, members);
    Handshake(icr | kIcrFixed, id | 1u << self % members, 1);
    Handshake(icr | kIcrLowestPriority, id | 1u << self % members, 1);
    Handshake(icr | kIcrLowestPriority, id | all, 1);
  }
}

static void TestLogicalModel(const struct LogicalModel* model) {
  const uint32_t reach = model->group_size * model->groups;
  RunOnAll(SetLogicalId, (void*)model);
  OnEachChosenCpu(SendToGroups, (void*)model);
  const uint32_t reached = reach < CpuCount() ? reach : CpuCount();
  Print("fixed and lowest priority, logical %s, to %u of %u cpus: %u answered", model->name,
        reached, CpuCount(), TakeAnswersDue());
}

void TestLogical(void) {
  if (ThisCpu()->x2apic) {
    TestLogicalModel(&kX2Apic);
    return;
  }
  TestLogicalModel(&kFlat);
  TestLogicalModel(&kCluster);
}
