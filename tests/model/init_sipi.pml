/* INIT and SIPI as src/vcpu/run/reset.cc and vcpu_core.cc do them, in a rendezvous: CPUs 1 and 2
 * INIT each other, each inside its own ICR exit; CPU 0 sends SIPI as soon as an INIT of another's is
 * done, to CPU 1 twice.
 *
 * Between INIT and SIPI nothing is executed, no half-done exit of one life is completed in the next,
 * and each pair starts its CPU once.
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

#define FUNCTION(t, c)                                  \
  if                                                    \
  :: sends_sipi[t] && waits_for_sipi[c] ->              \
     waits_for_sipi[c] = false; reset[c] = true; dead[c] = false \
  :: sends_sipi[t] && !waits_for_sipi[c] /* dropped */  \
  :: !sends_sipi[t] -> ACCEPT_INIT(c)                   \
  fi

#if defined(M_RESET_IN_HANDLER)
#define ACCEPT_INIT(c) waits_for_sipi[c] = true; dead[c] = true; life[c] = !life[c]; registers_of[c] = life[c]
#elif defined(M_WAIT_FOR_SIPI_LATE)
#define ACCEPT_INIT(c) reset[c] = true; dead[c] = true; life[c] = !life[c]; owes_wait[c] = true
#else
#define ACCEPT_INIT(c) waits_for_sipi[c] = true; reset[c] = true; dead[c] = true; life[c] = !life[c]
#endif

#define NOTIFY(c) skip
/* CanBeActedFor: only who sleeps with no exit half done. */
#define TRY_BORROW(c, got)                                    \
  if                                                          \
  :: parked[c] && !lent[c] && !half_done[c] && waits_for_sipi[c] -> lent[c] = true; got = true \
  :: else                                                     \
  fi
#define GIVE_BACK(c) lent[c] = false
#define GRANTED(t)                               \
  if                                             \
  :: !sends_sipi[t] -> inits = inits | targets[t] \
  :: else                                        \
  fi

/* The owner's, or its borrower's. */
bool parked[CPUS], lent[CPUS];
bool waits_for_sipi[CPUS], reset[CPUS], half_done[CPUS];
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

byte sends[CPUS * 3]; /* of `me` to 1 and 2, how many ICR writes are to come: [me * 3 + to] */

#define BOOTSTRAP(me) ((me) != 1 && (me) != 2)
#define MAY_SEND(me, to) (sends[(me) * 3 + (to)] > 0 && (!BOOTSTRAP(me) || HAS(inits, to)))

/* The guest's instruction. */
inline WriteIcr(me, to) {
  assert(!dead[me]);
  half_done[me] = true;
  exit_of[me] = life[me];
  targets[me] = BIT(to);
  sends[(me) * 3 + (to)]--
}

proctype Vcpu(byte me) {
  LOCALS;
end:
  do
  :: ServeIf(pending[me], me)
#ifdef M_INIT_IS_POSTED
  :: atomic { mail[me] -> mail[me] = false; ACCEPT_INIT(me) }
#endif
#ifdef M_WAIT_FOR_SIPI_LATE
  :: atomic { owes_wait[me] -> owes_wait[me] = false; waits_for_sipi[me] = true }
#endif
  :: atomic { MUST_FINISH(me) -> assert(exit_of[me] == registers_of[me]); half_done[me] = false } /* FinishExit */
  :: atomic { !pending[me] && waits_for_sipi[me] && !MUST_FINISH(me) -> parked[me] = true }
end_parked:
     atomic { !lent[me] && (pending[me] || !waits_for_sipi[me]) -> parked[me] = false }
  :: atomic {
       !pending[me] && !waits_for_sipi[me] && !MUST_FINISH(me) && !MAIL(me) && !OWES_WAIT(me) ->
       if
       :: reset[me] ->
          assert(!half_done[me]);
          reset[me] = false;
          registers_of[me] = life[me];
          starts[me]++
       :: else
       fi;
       assert(!half_done[me] || exit_of[me] == registers_of[me]);
       half_done[me] = false
     }
     /* In the guest: each instruction is one of a living CPU. */
end_in_guest:
     if
     :: atomic { MAY_SEND(me, 1) -> WriteIcr(me, 1) }
     :: atomic { MAY_SEND(me, 2) -> WriteIcr(me, 2) }
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
       :: BOOTSTRAP(cpu_) -> sends_sipi[cpu_] = true; sends[cpu_ * 3 + 1] = 2; sends[cpu_ * 3 + 2] = 1
       :: else -> sends[cpu_ * 3 + 3 - cpu_] = 1
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
