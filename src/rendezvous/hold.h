#pragma once

#include <muster/rendezvous/standstill.h>

namespace muster::rendezvous {

// What a Standstill and the Rendezvous share; guarded by the Rendezvous' mutex.
struct Standstill::Hold {
  CpuSet wanted;         // the targets, joined or not
  CpuSet held;           // those of them that stand; each counts one of its Member::holds
  bool granted = false;  // it had its turn, and none was withdrawn
};

}  // namespace muster::rendezvous
