// HLT with interrupts off, which an NMI ends.
#pragma once

#include <stdatomic.h>
#include <stdint.h>

#include "runtime/irq.h"

// Sleeps until *word != 0, to be stored before the NMI is sent. Returns how often HLT ended while
// it was still 0, which nothing but a fault of the machine does.
uint32_t NmiHalt(const atomic_uint* word);

// For NMI handlers: an NMI that came between the test of the word and HLT would leave the CPU
// asleep for ever, so it returns to the test.
void RestartNmiHalt(struct InterruptFrame* frame);
