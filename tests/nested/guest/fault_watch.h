#pragma once

// The emulator's fault that no guest can show by itself: QEMU 7.2 now and then gives a vCPU the
// registers of the KVM that runs it, whose RIP is then the instruction behind VMRUN. Whatever comes
// of the run says nothing of what is tested. See docs/architecture.md, "KVMs to test on".

// A descriptor that is readable once KVM has seen a guest's RIP within its own module; -1 where
// kvm_amd is not loaded. Calls fail(what, which) where it cannot be had.
int OpenFaultWatch(void (*fail)(const char* what, const char* which));

// The first line of what was seen, and forgets all of it. 0: nothing was.
int ReadFaultWatch(int watch, char* line, int size);
