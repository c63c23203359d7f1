/* INIT and SIPI as src/vcpu/run/reset.cc, sleep.cc and vcpu_core.cc do them, in a rendezvous: CPUs 1 and 2
 * INIT each other, each inside its own ICR exit; CPU 0 sends SIPI as soon as an INIT of another's is
 * done, to CPU 1 twice. One that has sent all that it had to may halt.
 *
 * Between INIT and SIPI nothing is executed, no half-done exit of one life is completed in the next,
 * and each pair starts its CPU once.
 *
 * MARK names the steps as the code marks them: as core.pml does, and for a vCPU's doorbell Bell with the
 * name that this gives it. It is nothing here; init_sipi_trace.pml follows a run of the code by it.
 *
 * check: safety
 * check: liveness
 * mutant: M_WAIT_WITHOUT_SERVING safety
 * mutant: M_WAIT_WITHOUT_SERVING liveness
 * mutant: M_RESET_IN_HANDLER safety
 * mutant: M_RESET_HALF_DONE safety
 * mutant: M_INIT_IS_POSTED safety
 * mutant: M_WAIT_FOR_SIPI_LATE safety
 */

#ifndef CPUS
#define CPUS 3
#endif
#define OUTSIDE 0

/* As the code has it, enum Execution. */
#define USER 1
#define GUEST 2
#define PARKED 4
/* Requests. */
#define MEET 1
#define RESET 2

#ifndef FOLLOWED
#define IS_NEXT(name) true
#define NOTIFY(c) skip /* the hint is the request too */
#endif

/* An INIT takes what was requested of the earlier life. */
#define FUNCTION(t, c)                                  \
  if                                                    \
  :: sends_sipi[t] && waits_for_sipi[c] ->              \
     MARK(BellRing, RESET)                              \
     waits_for_sipi[c] = false; reset[c] = true; dead[c] = false \
  :: sends_sipi[t] && !waits_for_sipi[c] /* dropped */  \
  :: !sends_sipi[t] -> MARK(BellTake, 0) ACCEPT_INIT(c) \
  fi

#if defined(M_RESET_IN_HANDLER)
#define ACCEPT_INIT(c) WAIT(c); dead[c] = true; life[c] = !life[c]; registers_of[c] = life[c]
#elif defined(M_WAIT_FOR_SIPI_LATE)
#define ACCEPT_INIT(c) reset[c] = true; dead[c] = true; life[c] = !life[c]; owes_wait[c] = true
#else
#define ACCEPT_INIT(c) WAIT(c); reset[c] = true; dead[c] = true; life[c] = !life[c]
#endif
#define WAIT(c) waits_for_sipi[c] = true; halted[c] = false

/* Its state keeps it out of the guest. */
#define ASLEEP(c) (waits_for_sipi[c] || halted[c])
/* CanBeActedFor: only who sleeps with no exit half done. Another is given back at once. */
#define TRY_BORROW(c, got)                                    \
  if                                                          \
  :: IS_NEXT(BellBorrow) && parked[c] && !lent[c] ->          \
     MARK(BellBorrow, PARKED)                                 \
     lent[c] = true;                                          \
     if                                                       \
     :: !half_done[c] && ASLEEP(c) -> got = true              \
     :: else -> MARKED; MARK(BellGiveBack, 0) lent[c] = false \
     fi                                                       \
  :: else                                                     \
  fi
#define GIVE_BACK(c) atomic { MARKED -> MARK(BellGiveBack, 0) lent[c] = false }
#define GRANTED(t)                               \
  if                                             \
  :: !sends_sipi[t] -> inits = inits | targets[t] \
  :: else                                        \
  fi

/* The owner's, or its borrower's. */
bool parked[CPUS], lent[CPUS];
bool waits_for_sipi[CPUS], halted[CPUS], reset[CPUS], half_done[CPUS];
bool sends_sipi[CPUS];
#ifdef M_WAIT_FOR_SIPI_LATE
bool owes_wait[CPUS];
#define OWES_WAIT(c) owes_wait[c]
#else
#define OWES_WAIT(c) false
#endif
#ifdef M_RESET_HALF_DONE
#define MUST_FINISH(c) false
#else
#define MUST_FINISH(c) (half_done[c] && reset[c])
#endif
#ifdef M_INIT_IS_POSTED
bool mail[CPUS];
#define MAIL(c) mail[c]
#else
#define MAIL(c) false
#endif

/* Assertions', and what the guest can know. */
bool dead[CPUS];   /* INIT was accepted, and no SIPI since */
bool life[CPUS], exit_of[CPUS], registers_of[CPUS];
byte inits;        /* whose INIT is done, as its sender sees it */
byte starts[CPUS];

#include "core.pml"

#define MUST_SLEEP(c) (ASLEEP(c) && !MUST_FINISH(c))
#define MAY_RUN(c) (!ASLEEP(c) && !MUST_FINISH(c) && !MAIL(c) && !OWES_WAIT(c))

inline FinishExit(c) {
  assert(exit_of[c] == registers_of[c]);
  half_done[c] = false
}

inline ApplyReset(c) {
  assert(!half_done[c]);
  reset[c] = false;
  registers_of[c] = life[c];
  starts[c]++
}

/* KVM_RUN completes what is half done. */
inline EnterGuest(c) {
  assert(!half_done[c] || exit_of[c] == registers_of[c]);
  half_done[c] = false
}

/* The guest's instruction, and each is one of a living CPU. */
inline WriteIcr(me, to) {
  assert(!dead[me]);
  half_done[me] = true;
  exit_of[me] = life[me];
  targets[me] = to
}

#ifndef FOLLOWED
byte sends[CPUS * 3]; /* of `me` to 1 and 2, how many ICR writes are to come: [me * 3 + to] */

#if defined(LIVENESS) && CPUS > 3
#define MAY_HALT false /* for want of memory */
#else
#define MAY_HALT true
#endif
#define BOOTSTRAP(me) ((me) != 1 && (me) != 2)
#define LEFT(me, to) sends[(me) * 3 + (to)]
#define MAY_SEND(me, to) (LEFT(me, to) > 0 && (!BOOTSTRAP(me) || HAS(inits, to)))

proctype Vcpu(byte me) {
  LOCALS;
end:
  do
  :: ServeIf(pending[me], me)
#ifdef M_INIT_IS_POSTED
  :: atomic { mail[me] -> mail[me] = false; ACCEPT_INIT(me) }
#endif
#ifdef M_WAIT_FOR_SIPI_LATE
  :: atomic { owes_wait[me] -> owes_wait[me] = false; WAIT(me) }
#endif
  :: atomic { MUST_FINISH(me) -> FinishExit(me) }
  :: atomic { !pending[me] && MUST_SLEEP(me) -> parked[me] = true }
end_parked:
     atomic { !lent[me] && (pending[me] || !ASLEEP(me)) -> parked[me] = false }
  :: atomic { MAY_RUN(me) && reset[me] -> ApplyReset(me) }
  :: atomic { !pending[me] && MAY_RUN(me) && !reset[me] -> EnterGuest(me) }
end_in_guest:
     if
     :: atomic { MAY_SEND(me, 1) -> WriteIcr(me, BIT(1)); LEFT(me, 1)-- }
     :: atomic { MAY_SEND(me, 2) -> WriteIcr(me, BIT(2)); LEFT(me, 2)-- }
     :: atomic { MAY_HALT && LEFT(me, 1) == 0 && LEFT(me, 2) == 0 -> halted[me] = true } goto end
     :: pending[me] || MAIL(me) -> goto end
     fi;
#ifdef M_INIT_IS_POSTED
     if
     :: atomic { !sends_sipi[me] -> mail[3 - me] = true; inits = inits | targets[me]; goto end }
     :: sends_sipi[me]
     fi;
#endif
     Perform(me)
  od
}

init {
  atomic {
    joined = ALL;
    cpu_ = 0;
    do
    :: cpu_ < CPUS ->
       anywhere[cpu_] = true;
       if
       :: BOOTSTRAP(cpu_) -> sends_sipi[cpu_] = true; LEFT(cpu_, 1) = 2; LEFT(cpu_, 2) = 1
       :: else -> LEFT(cpu_, 3 - cpu_) = 1
       fi;
       run Vcpu(cpu_);
       cpu_++
    :: else -> break
    od
  }
}

#ifndef LIVENESS /* there the formula has to find out */
active proctype Watch() {
  timeout -> assert(starts[1] == 1 && starts[2] == 1 && sends[1] == 0 && sends[2] == 0)
}
#endif

ltl returns { []<>!live[0] && []<>!live[1] && []<>!live[2] }
#endif
