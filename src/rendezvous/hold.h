#pragma once

#include <muster/rendezvous/standstill.h>

namespace muster::rendezvous {

// What a Standstill and the Rendezvous share; guarded by the Rendezvous' mutex.
struct Standstill::Hold {
  // For diagnosis: what it is called, and who has made it.
  const char* name;
  Initiator initiator;

  CpuSet wanted;          // the targets, joined or not
  CpuSet held = {};       // those of them that stand; each counts one of its Member::holds
  bool granted = false;   // it had its turn, and none was withdrawn
  uint64_t since_ns = 0;  // when it was published
};

}  // namespace muster::rendezvous
