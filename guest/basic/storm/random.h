// The sequence of operations is a function of the seed alone: tests/guest/storm.py computes it too.
#pragma once

#include <stdint.h>

struct Random {
  uint32_t state;
};

// Marsaglia's xorshift32.
static inline uint32_t NextRandom(struct Random* random) {
  uint32_t x = random->state;
  x ^= x << 13;
  x ^= x >> 17;
  x ^= x << 5;
  return random->state = x;
}

// One stream per CPU.
static inline struct Random SeedRandom(uint32_t seed, uint32_t cpu) {
  struct Random random = {(seed * 1024 + cpu) * 2654435761u | 1};
  for (int i = 0; i < 4; ++i) NextRandom(&random);
  return random;
}
