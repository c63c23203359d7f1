/* Concurrent calls, entries for nothing, a vCPU that is taken out and comes back, all at any time.
 *
 * check: safety
 * check: liveness
 * check of 3: liveness V_OUTSIDE
 * check of 3 at length: liveness V_OUTSIDE V_SPURIOUS
 * mutant: M_ASSERT_NOT_SPURIOUS safety
 * mutant: M_SET_EQUALITY safety
 * mutant: M_SET_EQUALITY liveness
 * mutant: M_RUN_ON_HINT safety
 * mutant: M_CLEAR_HINT_LATE safety
 * mutant: M_NOTIFY_THROUGH_FRAME safety
 * mutant: M_GIVE_UP_WAKES_NOBODY safety
 * mutant at length: M_GIVE_UP_WAKES_NOBODY liveness V_OUTSIDE
 * mutant: M_WAIT_WITHOUT_SERVING safety
 * mutant: M_WAIT_WITHOUT_SERVING liveness
 */

#ifndef CPUS
#define CPUS 3
#endif
#define OUTSIDE 1

/* What Notifier promises and no more: an owner that finds Pending serves. */
#define NOTIFY(c) skip
#define TRY_BORROW(c, got) skip
#define GIVE_BACK(c) skip
#define GRANTED(t) skip

#include "core.pml"

#define LAST (CPUS - 1)

bool spurious[CPUS];
bool calls[CPUS];

proctype Vcpu(byte me) {
  LOCALS;
end:
  do
  :: ServeIf(pending[me], me)
  :: atomic { spurious[me] -> spurious[me] = false } ServeIf(true, me)
  :: atomic { calls[me] -> calls[me] = false } Perform(me)
  od
}

proctype Outside(byte me) {
  LOCALS;
  Perform(me)
}

proctype LeavesAndJoins() {
  atomic { Leave(LAST) }
  atomic { Join(LAST) }
}

init {
  atomic {
    joined = ALL;
    /* Two vCPUs that want each other, the second of which may be out by then; and one from outside
     * that wants all. */
    targets[0] = ALL;
    calls[0] = true;
    targets[LAST] = BIT(0);
    calls[LAST] = true;
    /* Both of these cost a liveness search more than the tests have time for. */
#if !defined(LIVENESS) || defined(V_OUTSIDE)
    targets[CPUS] = ALL;
    run Outside(CPUS);
#endif
#if !defined(LIVENESS) || !defined(V_OUTSIDE) || defined(V_SPURIOUS)
    spurious[1] = true;
#endif
    cpu_ = 0;
    do
    :: cpu_ < CPUS -> run Vcpu(cpu_); cpu_++
    :: else -> break
    od;
    run LeavesAndJoins()
  }
}

ltl returns { []<>!live[0] && []<>!live[LAST] && []<>!live[CPUS] }
