// The parts of `sipi`. Each runs on CPU 0 and prints a line with its counts.
#pragma once

#include <stdbool.h>
#include <stdint.h>

// states.c
void TestStates(void);
void TestSipiElsewhere(void);
void TestBroadcast(void);
void TestStopsAtOnce(void);

// senders.c, for at least three CPUs
void TestSipiFromAnother(void);
void TestTwoSenders(void);
void TestCrossed(void);

// With at most 64 CPUs all of them, else 0, 1, 2, 4, 8 ...
static inline bool Chosen(uint32_t cpu, uint32_t cpu_count) {
  return cpu_count <= 64 || (cpu & (cpu - 1)) == 0;
}
