/* Two standstills, the second through the first, released in either order; a vCPU that joins
 * meanwhile; a call by a vCPU, of its own or through the standstill; vCPUs that sleep and are acted
 * for. Who must stand is not in the guest.
 *
 * V_LEAVES: one that both stand still for leaves at any time, in the standstill too, and joins again.
 * V_LATE: the call and the second standstill have deadlines. A stop that fails is released; a call
 * that gives up returns when its vCPU may go on.
 *
 * check: safety
 * check: liveness
 * check: safety V_LEAVES
 * check of 3 at length: liveness V_LEAVES
 * check: safety V_LATE
 * check of 3 at length: liveness V_LATE
 * mutant: M_NO_HINT_AFTER_BORROW safety
 * mutant: M_JOIN_RUNS safety
 * mutant: M_CLEAR_HINT_LATE safety
 * mutant: M_RELEASE_WITHOUT_COUNT safety
 * mutant: M_QUEUE_IGNORES_STANDSTILL safety
 * mutant: M_CALL_LEAVES_HELD safety
 * mutant: M_WAIT_WITHOUT_SERVING safety
 * mutant: M_RELEASE_WAKES_NOBODY liveness
 * mutant: M_LEAVER_STAYS_HELD safety V_LEAVES
 * mutant at length: M_LEAVER_SLEEPS_ON safety V_LEAVES
 * mutant: M_LEAVER_IS_ASKED safety V_LEAVES
 * mutant: M_GIVES_UP_AND_GOES_ON safety V_LATE
 * mutant: M_FAILED_STOP_STAYS safety V_LATE
 * mutant at length: M_FAILED_STOP_STAYS liveness V_LATE
 */

#ifndef CPUS
#define CPUS 3
#endif
#define OUTSIDE 2

#define LAST (CPUS - 1)
#define FIRST_STOP CPUS
#define SECOND_STOP (CPUS + 1)
#define STANDS_FOR(t, c) (granted[t] && HAS(wanted[t], c) && HAS(joined, c))
#define MUST_STAND(c) (STANDS_FOR(FIRST_STOP, c) || STANDS_FOR(SECOND_STOP, c))

bool parked[CPUS], lent[CPUS], in_guest[CPUS], granted[CPUS + OUTSIDE];

#define NOTIFY(c) skip
#define TRY_BORROW(c, got)              \
  if                                    \
  :: parked[c] && !lent[c] -> lent[c] = true; got = true \
  :: else                               \
  fi
#define GIVE_BACK(c) lent[c] = false
#define GRANTED(t)                      \
  if                                    \
  :: is_stop[t] ->                      \
     granted[t] = (withdrawn == 0);     \
     i_ = 0;                            \
     do                                 \
     :: i_ < CPUS -> assert(!(MUST_STAND(i_) && in_guest[i_])); i_++ \
     :: else -> break                   \
     od                                 \
  :: else                               \
  fi

#include "core.pml"

bool calls[CPUS];
bool released; /* one of the two: the second cannot go through the first any more */

proctype Vcpu(byte me) {
  LOCALS;
  if
  :: HAS(joined, me)
  :: !HAS(joined, me) -> ServeIf(true, me)
  fi;
end_not_joined:
  HAS(joined, me);
end:
  do
  :: ServeIf(pending[me], me)
  :: atomic { !pending[me] && HAS(joined, me) -> assert(!MUST_STAND(me)); in_guest[me] = true }
end_in_guest:
     if
     :: atomic { pending[me] -> in_guest[me] = false } /* the kick */
     :: atomic { calls[me] -> in_guest[me] = false }
     fi
  :: atomic { me != 0 && !pending[me] -> parked[me] = true }
     atomic { !lent[me] -> parked[me] = false }
  :: atomic {
       calls[me] ->
       calls[me] = false;
       if
       :: granted[FIRST_STOP] -> through[me] = true
       :: true
       fi
     }
     Perform(me)
  od
}

proctype Stop(byte me) {
  LOCALS;
  if
  :: me == FIRST_STOP
  :: me == SECOND_STOP && granted[FIRST_STOP]
  :: me == SECOND_STOP && released -> goto end
  fi;
  Perform(me);
  atomic {
    granted[me] = false;
    released = true;
    if
#ifdef M_FAILED_STOP_STAYS
    :: wanted[me] != 0 && !IS_LATE(me) -> Release(me)
#else
    :: wanted[me] != 0 -> Release(me)
#endif
    :: else /* it did not have its turn */
    fi
  }
end:
  skip
}

proctype Joins() {
  atomic { Join(LAST) }
}

#ifdef V_LEAVES
proctype LeavesAndJoins() {
  atomic { !HAS(acting, 1) -> Leave(1) }
end_in_guest: /* it may stay there */
  atomic { !in_guest[1] -> Join(1) }
}
#endif

#ifdef V_LATE
proctype Clock() {
  if
  :: late[0] = true; late[SECOND_STOP] = true
  :: late[SECOND_STOP] = true; late[0] = true
  fi
}
#endif

init {
  atomic {
    joined = ALL & ~BIT(LAST);
    targets[0] = BIT(1);
    calls[0] = true;
    is_stop[FIRST_STOP] = true;
    targets[FIRST_STOP] = BIT(1) | BIT(LAST);
    anywhere[FIRST_STOP] = true;
    is_stop[SECOND_STOP] = true;
    targets[SECOND_STOP] = BIT(0) | BIT(1);
    anywhere[SECOND_STOP] = true;
    through[SECOND_STOP] = true;
    cpu_ = 0;
    do
    :: cpu_ < CPUS -> run Vcpu(cpu_); cpu_++
    :: else -> break
    od;
    run Stop(FIRST_STOP);
    run Stop(SECOND_STOP);
#ifdef V_LEAVES
    run LeavesAndJoins();
#endif
#ifdef V_LATE
    may_be_late[0] = true;
    may_be_late[SECOND_STOP] = true;
    run Clock();
#endif
    run Joins()
  }
}

ltl returns { []<>!live[0] && []<>!live[FIRST_STOP] && []<>!live[SECOND_STOP] }
