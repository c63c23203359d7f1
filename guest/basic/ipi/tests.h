// The parts of `ipi`. Each runs on CPU 0, sends from every CPU (of many CPUs: from some) and prints
// a line with its counts.
#pragma once

#include <stdbool.h>
#include <stdint.h>

// destinations.c
void TestFixed(void);
void TestFixedToRunning(void);
void TestSelf(void);
void TestShorthands(void);
void TestLogical(void);
void TestNmi(void);

// pending.c
void TestMerge(void);
void TestPriority(void);
void TestHaltWithInterruptsOff(void);

// With at most 64 CPUs all of them, else 0, 1, 2, 4, 8 ...: who sends, or how far.
static inline bool Chosen(uint32_t n, uint32_t cpu_count) {
  return cpu_count <= 64 || (n & (n - 1)) == 0;
}

// The CPU after this one, in a ring.
uint32_t NextCpu(void);
