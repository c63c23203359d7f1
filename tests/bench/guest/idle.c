// Every CPU sleeps, with an interrupt due in hours: nothing happens, and something still could.
#include "runtime/guest.h"

static void ArmFarAhead(void* unused) {
  (void)unused;
  WriteApic(kApicDivide, 0xA);  // by 128
  WriteApic(kApicLvtTimer, 0x40);
  WriteApic(kApicInitialCount, 0xFFFFFFFF);
}

void GuestMain(void) {
  static const atomic_uint never;
  StartAllCpus();
  RunOnAll(ArmFarAhead, NULL);
  Print("idle");
  HaltUntil(&never, 1);
}
