// Restarting a CPU, and what has to be true of it then.
#pragma once

#include <stdbool.h>
#include <stdint.h>

// Checks, on each CPU that starts, that its APIC is as INIT leaves it.
void InitRestart(void);

// ExpectRestart() and INIT; then SIPI and the one start that it gives, made sure of by a call.
void Stop(uint32_t cpu);
void Start(uint32_t cpu);

// Waits for the start that a SIPI sent by whomever is to give.
void AwaitOneStart(uint32_t cpu);

// Fails if `cpu` has started oftener than was awaited.
void CheckNoOtherStart(uint32_t cpu);

// Awaits that `cpu` is up, after one start or up to `most`.
void AwaitAnyStarts(uint32_t cpu, uint32_t most);

// All starts that AwaitOneStart() awaited since the last call.
uint32_t TakeStarts(void);

// The command line's `strict`: what an ICR write did is done when the next instruction executes.
// Muster promises that. Elsewhere an INIT takes a while to stop its target, which may even send one
// of its own meanwhile: there Settle() waits, and AwaitAnyStarts() sends once more if need be.
bool Strict(void);
void Settle(void);
