#pragma once

#include <cstdint>

namespace muster::vmm {

// How often each thread of a machine woke that runs no vCPU; that of a vCPU has Counters::parks.
struct WakeUps {
  uint64_t supervisor = 0;  // calls of Machine::Tend
  uint64_t timer = 0;
  uint64_t input = 0;
  uint64_t output = 0;
};

}  // namespace muster::vmm
