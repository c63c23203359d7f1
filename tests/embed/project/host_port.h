// What the guest visit asks of its host, foreign.cc.
#pragma once

enum {
  kHostPort = 0x2000,         // OUT: what; IN: blocks until it is done, and gives an answer
  kHostAddressPort = 0x2004,  // OUT: of `ticks`, then of `pauses`
  kHostVector = 0x50,
};

enum HostCommand {
  kHostCountsResets = 1,
  kHostDoubles,   // the 64-bit word at kHighMemory
  kHostAdds,      // a vCPU, of the number that is the answer
  kHostRemoves,   // that vCPU
  kHostSendsMsi,  // to CPU 0, from the device's thread, once the IN has returned or before
  kHostPauses,    // three times, from the main loop, and adds 1 to `pauses` after each
  kHostResets,
};

#define kHighMemory 0x100000000ull
