#include "runtime/gate.h"

#include "runtime/wait.h"
#include "runtime/x86.h"

bool scripted;

void InitGates(void) { scripted = ReadPort32(kGatePort) == kGateMagic; }

void DeclareWait(const struct Wait* wait) {
  if (scripted) WritePort32(kWaitPort, (uint32_t)(uintptr_t)wait);
}
