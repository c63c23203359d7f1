// Interrupt lines through the I/O APIC: edges, levels, both destination modes, and entries
// rewritten under fire. The lines are raised and lowered by a test device, QEMU's pc-testdev: byte
// writes to port 0x2000 + line.
#include "runtime/guest.h"

enum {
  kLinePorts = 0x2000,
  kEdgePin = 5,  // lines that nothing else on a PC holds
  kLevelPin = 7,
  kEdgeVector = 0x50,
  kLevelVector = 0x60,
  kFenceVector = 0x30,
  kEoiRegisterSince = 0x20,
  kShots = 100,
};

static struct {
  atomic_uint edges, levels, nmis, fence;
} __attribute__((aligned(64))) counts[MAX_CPUS];

static atomic_uint total;  // of all CPUs and kinds
static uint32_t expected;  // of `total`; its last interrupt wakes CPU 0
static uint32_t repeats;   // levels that are left up before the handler lowers the line
static bool by_register;   // the next level is ended at the I/O APIC first

static void Raise(uint32_t line) { WritePort8((uint16_t)(kLinePorts + line), 1); }
static void Lower(uint32_t line) { WritePort8((uint16_t)(kLinePorts + line), 0); }

static void CountOne(void) {
  if (atomic_fetch_add(&total, 1) + 1 == expected && CpuNumber() != 0) Wake(0);
}

INTERRUPT_HANDLER(OnEdge) {
  atomic_fetch_add(&counts[CpuNumber()].edges, 1);
  CountOne();
  EndOfInterrupt();
}

// CPU 0 touches neither line nor I/O APIC while it waits for levels.
INTERRUPT_HANDLER(OnLevel) {
  atomic_fetch_add(&counts[CpuNumber()].levels, 1);
  if (by_register) {
    by_register = false;
    WriteIoApicEoi(kLevelVector);  // the line is still up: one more is pending after this
  }
  if (repeats == 0) {
    Lower(kLevelPin);
  } else {
    --repeats;
  }
  CountOne();
  EndOfInterrupt();
}

INTERRUPT_HANDLER(OnNmi) {
  atomic_fetch_add(&counts[CpuNumber()].nmis, 1);
  if (atomic_fetch_add(&total, 1) + 1 == expected) Wake(0);
}

INTERRUPT_HANDLER(OnFence) {
  atomic_store(&counts[CpuNumber()].fence, 1);
  EndOfInterrupt();
}

// What is pending on the CPU that calls is taken when this returns.
static void Fence(void* unused) {
  (void)unused;
  atomic_store(&counts[CpuNumber()].fence, 0);
  SendFixed(CpuNumber(), kFenceVector);
  HaltUntil(&counts[CpuNumber()].fence, 1);
}

// From here `more` interrupts are due; Settle() waits for them and makes sure that no other came.
static void Expect(uint32_t more) { expected += more; }

static void Settle(void) {
  HaltUntil(&total, expected);
  RunOnAll(Fence, NULL);
  CHECK_EQUAL(atomic_load(&total), expected);
}

static uint32_t Targets(void) { return CpuCount() < 255 ? CpuCount() : 255; }

// All CPUs, or of many 0, 1, 2, 4, 8 ...
static bool Chosen(uint32_t cpu) { return CpuCount() <= 16 || (cpu & (cpu - 1)) == 0; }

static void Edge(void) {
  Raise(kEdgePin);
  Lower(kEdgePin);
}

static void TestEdges(void) {
  const uint32_t before = expected;
  for (uint32_t cpu = 0; cpu < Targets(); ++cpu) {
    if (!Chosen(cpu)) continue;
    const uint32_t was = atomic_load(&counts[cpu].edges);
    RoutePin(kEdgePin, kPinFixed | kEdgeVector, (uint8_t)cpu);
    Expect(1);
    Edge();
    Settle();

    RoutePin(kEdgePin, kPinMasked | kPinFixed | kEdgeVector, (uint8_t)cpu);
    Edge();  // lost
    RoutePin(kEdgePin, kPinFixed | kEdgeVector, (uint8_t)cpu);
    Settle();
    CHECK_EQUAL(atomic_load(&counts[cpu].edges), was + 1);
  }
  Print("edges, of which one is lost on a masked pin: %u interrupts", expected - before);
}

static void TestLevels(void) {
  const uint32_t before = expected;
  const bool has_eoi_register = (ReadIoApic(kIoApicVersion) & 0xFF) >= kEoiRegisterSince;
  for (uint32_t cpu = 0; cpu < Targets(); ++cpu) {
    if (!Chosen(cpu)) continue;
    const uint32_t was = atomic_load(&counts[cpu].levels);
    RoutePin(kLevelPin, kPinFixed | kPinLevel | kLevelVector, (uint8_t)cpu);
    repeats = 2;
    Expect(3);
    Raise(kLevelPin);
    Settle();
    CHECK_EQUAL(ReadPin(kLevelPin) & kPinRemoteIrr, 0);

    RoutePin(kLevelPin, kPinMasked | kPinLevel | kLevelVector, (uint8_t)cpu);
    Raise(kLevelPin);
    Lower(kLevelPin);  // gone before it is unmasked
    RoutePin(kLevelPin, kPinLevel | kLevelVector, (uint8_t)cpu);
    Settle();

    RoutePin(kLevelPin, kPinMasked | kPinLevel | kLevelVector, (uint8_t)cpu);
    Raise(kLevelPin);
    Expect(1);
    RoutePin(kLevelPin, kPinLevel | kLevelVector, (uint8_t)cpu);  // still there
    Settle();

    if (has_eoi_register) {
      by_register = true;
      Expect(2);
      Raise(kLevelPin);
      Settle();
      CHECK_EQUAL(ReadPin(kLevelPin) & kPinRemoteIrr, 0);
    }
    CHECK_EQUAL(atomic_load(&counts[cpu].levels), was + (has_eoi_register ? 6 : 4));
  }
  Print("levels, left up, masked, ended by the eoi register: %u interrupts", expected - before);
}

static void SetLogicalId(void* unused) {
  (void)unused;
  WriteApic(kApicDfr, kDfrFlat);
  WriteApic(kApicLdr, CpuNumber() < 7 ? 1u << (24 + CpuNumber()) : 0);
}

static void TestLogical(void) {
  if (ThisCpu()->x2apic) {
    Print("left out in x2apic mode: logical destinations");
    return;
  }
  const uint32_t before = expected;
  const uint32_t members = CpuCount() < 7 ? CpuCount() : 7;
  const uint8_t all = (uint8_t)((1u << members) - 1);
  RunOnAll(SetLogicalId, NULL);
  for (uint32_t cpu = 0; cpu < members; ++cpu) {
    RoutePin(kEdgePin, kPinLogical | kPinFixed | kEdgeVector, (uint8_t)(1u << cpu));
    Expect(1);
    Edge();
    Settle();
  }
  RoutePin(kEdgePin, kPinLogical | kPinFixed | kEdgeVector, all);
  Expect(members);
  Edge();
  Settle();
  RoutePin(kEdgePin, kPinLogical | kPinLowestPriority | kEdgeVector, all);
  Expect(1);
  Edge();
  Settle();
  Print("logical destinations, fixed and lowest priority: %u interrupts", expected - before);
}

static void TestNmi(void) {
  const uint32_t before = expected;
  for (uint32_t cpu = 0; cpu < Targets(); ++cpu) {
    if (!Chosen(cpu)) continue;
    RoutePin(kEdgePin, kPinNmi, (uint8_t)cpu);
    Expect(1);
    Edge();
    Settle();
  }
  RoutePin(kEdgePin, kPinMasked, 0);
  Print("nmi: %u interrupts", expected - before);
}

static atomic_uint rerouter_up, stop;

// The only one that touches the I/O APIC meanwhile.
static void Reroute(void* unused) {
  (void)unused;
  atomic_store(&rerouter_up, 1);
  for (uint32_t cpu = 0; atomic_load(&stop) == 0; cpu = (cpu + 1) % Targets()) {
    SetPinDestination(kEdgePin, (uint8_t)cpu);
    SetPinDestination(kLevelPin, (uint8_t)cpu);
  }
}

// Each shot reaches one CPU, the old destination or the new.
static void TestReroute(void) {
  const uint32_t before = expected;
  RoutePin(kEdgePin, kPinFixed | kEdgeVector, 0);
  RoutePin(kLevelPin, kPinFixed | kPinLevel | kLevelVector, 0);
  atomic_store(&stop, 0);
  Post(1, Reroute, NULL);
  SpinUntil(&rerouter_up, 1);
  for (int shot = 0; shot < kShots; ++shot) {
    Expect(1);
    Edge();
    HaltUntil(&total, expected);
    Expect(1);
    Raise(kLevelPin);
    HaltUntil(&total, expected);
  }
  atomic_store(&stop, 1);
  Join(1);
  Settle();
  CHECK_EQUAL(ReadPin(kLevelPin) & kPinRemoteIrr, 0);
  Print("entries rewritten under fire: %u interrupts", expected - before);
}

void GuestMain(void) {
  SetHandler(kEdgeVector, OnEdge);
  SetHandler(kLevelVector, OnLevel);
  SetHandler(kFenceVector, OnFence);
  SetHandler(kNmiVector, OnNmi);
  StartAllCpus();
  Print("ioapic, cpus: %u, %s, %u pins", CpuCount(), ThisCpu()->x2apic ? "x2apic" : "xapic",
        (ReadIoApic(kIoApicVersion) >> 16 & 0xFF) + 1);
  TestEdges();
  TestLevels();
  TestLogical();
  TestNmi();
  if (CpuCount() > 1) {
    TestReroute();
  } else {
    Print("left out with 1 cpu: entries rewritten under fire");
  }
  Print("ioapic passed");
}
