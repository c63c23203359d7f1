// One line from each CPU.
#include "runtime/guest.h"

static void SayHello(void* unused) {
  (void)unused;
  Print("cpu %u up, apic id %u, %s", CpuNumber(),
        ThisCpu()->x2apic ? ReadApic(kApicId) : ReadApic(kApicId) >> 24,
        ThisCpu()->x2apic ? "x2apic" : "xapic");
}

void GuestMain(void) {
  StartAllCpus();
  for (uint32_t cpu = 0; cpu < CpuCount(); ++cpu) RunOn(cpu, SayHello, NULL);
}
