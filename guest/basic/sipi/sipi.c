// INIT and SIPI: to CPUs in every state, from one CPU and from several. Each start is counted, and
// checks that its APIC has been reset.
#include "restart.h"
#include "runtime/guest.h"
#include "tests.h"

void GuestMain(void) {
  InitRestart();
  StartAllCpus();
  Print("sipi, cpus: %u, %s", CpuCount(), ThisCpu()->x2apic ? "x2apic" : "xapic");
  if (CpuCount() > 1) {
    TestStates();
    TestSipiElsewhere();
    TestBroadcast();
    if (Strict()) TestStopsAtOnce();
  } else {
    Print("left out with 1 cpu: all of it");
  }
  if (CpuCount() > 2) {
    TestSipiFromAnother();
    TestTwoSenders();
    TestCrossed();
  } else {
    Print("left out with fewer than 3 cpus: sipi from another, two senders, crossed");
  }
  Print("sipi passed");
}
