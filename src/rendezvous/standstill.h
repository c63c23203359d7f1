#pragma once

#include <cstdint>
#include <memory>

#include <muster/rendezvous/call.h>

#include "absl/status/statusor.h"

namespace muster::rendezvous {

class Rendezvous;

// vCPUs that stand still, until this object is released or destroyed; which any thread may do,
// before the Rendezvous ends. Obtained from Rendezvous::Stop. While one exists
//  - the vCPUs that it stopped are not in the guest and do not enter it: they wait in Serve or
//    in a call of their own, or are parked and have to Serve first;
//  - calls that are not made through it wait, their deadlines running;
//  - a vCPU that joins, and was among the targets by its number, starts held.
class Standstill {
 public:
  // What is moved from is empty, and releases nothing.
  Standstill(Standstill&& other) noexcept;
  // Releases what it held.
  Standstill& operator=(Standstill&& other) noexcept;
  // Releases.
  ~Standstill();

  // The vCPUs that stand, those that joined since included.
  CpuSet standing() const;

  // Rendezvous::Execute and Stop, not made to wait for standstills. A nested standstill counts
  // by itself: a vCPU goes on when the last that holds it is released, in whatever order.
  absl::StatusOr<Outcome> Execute(Initiator initiator, const Call& call);
  // See Execute.
  absl::StatusOr<Standstill> Stop(Initiator initiator, const CpuSet& targets,
                                  uint64_t deadline = sync::kNever, const char* name = "a stop");

  // Lets them go; only the first call does anything, after which this object is empty.
  void Release();

 private:
  friend class Rendezvous;
  struct Hold;  // guarded by the Rendezvous' mutex
  Standstill(Rendezvous& rendezvous, std::unique_ptr<Hold> hold);

  Rendezvous* rendezvous_;
  std::unique_ptr<Hold> hold_;  // null: released
};

}  // namespace muster::rendezvous
