#pragma once

#include <muster/vcpu/run/vcpu_core.h>
#include <muster/vcpu/run/vm_core.h>

namespace muster::vcpu {

// A vCPU borrowed for a scope. In a callback on a thread that acts for it already there is nothing
// to take, and nothing to give back.
class Loan {
 public:
  enum class Wait : bool { kNo, kForBorrowers };

  // kForBorrowers: see Doorbell::Borrow.
  explicit Loan(VcpuCore& core, Wait wait = Wait::kForBorrowers)
      : core_(core),
        own_(core.doorbell().BorrowedByCaller()),
        was_(own_                ? core.doorbell().before_borrow()
             : wait == Wait::kNo ? core.doorbell().TryBorrow()
                                 : core.doorbell().Borrow()) {}
  ~Loan() {
    if (!own_ && granted()) core_.vm().GiveBack(core_.cpu());
  }

  Loan(const Loan&) = delete;
  Loan& operator=(const Loan&) = delete;

  // False: its owner is awake, or another thread acts for it.
  bool granted() const { return was_ != Execution::kBorrowed; }
  // No thread is inside its Run, and this one is not in the midst of changing it.
  bool took_free() const { return !own_ && was_ == Execution::kFree; }

 private:
  VcpuCore& core_;
  const bool own_;
  const Execution was_;
};

}  // namespace muster::vcpu
