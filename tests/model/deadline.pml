/* Calls with a deadline, to vCPUs that may never come. A target has run or was withdrawn, one of
 * the two, and a function that has started is waited for.
 *
 * check: safety
 * check: liveness
 * mutant: M_CLAIM_WITHOUT_MUTEX safety
 * mutant: M_WITHDRAW_RUNNING safety
 * mutant: M_DEADLINE_UNHEEDED safety
 * mutant: M_DEADLINE_UNHEEDED liveness
 */

#ifndef CPUS
#define CPUS 3
#endif
#define OUTSIDE 1

#define NOTIFY(c) skip
#define TRY_BORROW(c, got) skip
#define GIVE_BACK(c) skip
#define GRANTED(t) skip

#include "core.pml"

#define LAST (CPUS - 1)

bool calls[CPUS];

proctype Vcpu(byte me) {
  LOCALS;
end:
  do
  :: ServeIf(pending[me], me)
  :: atomic { calls[me] -> calls[me] = false } Perform(me)
  :: !calls[me] -> break /* and is never seen again */
  od
}

proctype Outside(byte me) {
  LOCALS;
  Perform(me)
}

proctype Clock() {
#ifndef M_DEADLINE_UNHEEDED
  late[0] = true;
  late[CPUS] = true
#else
  skip
#endif
}

init {
  atomic {
    joined = ALL;
    targets[0] = ALL & ~BIT(0);
    may_be_late[0] = true;
    calls[0] = true;
    targets[CPUS] = ALL;
    may_be_late[CPUS] = true;
    cpu_ = 0;
    do
    :: cpu_ < CPUS -> run Vcpu(cpu_); cpu_++
    :: else -> break
    od;
    run Outside(CPUS);
    run Clock()
  }
}

ltl returns { []<>!live[0] && []<>!live[CPUS] }
