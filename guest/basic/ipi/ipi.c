// Interprocessor interrupts: every destination, every delivery mode, and what pending ones do.
#include "handshake.h"
#include "runtime/guest.h"
#include "tests.h"

void GuestMain(void) {
  InitHandshake();
  StartAllCpus();
  Print("ipi, cpus: %u, %s", CpuCount(), ThisCpu()->x2apic ? "x2apic" : "xapic");

  TestSelf();
  TestShorthands();
  TestLogical();
  TestNmi();
  TestMerge();
  TestPriority();
  if (CpuCount() > 1) {
    TestFixed();
    TestFixedToRunning();
    TestHaltWithInterruptsOff();
  } else {
    Print("left out with 1 cpu: pairs, all but self, a running cpu, a halted cpu");
  }
  CheckTotals();
  Print("ipi passed");
}
