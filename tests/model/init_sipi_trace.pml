/* A run of a real Vm, with KVM, as a path of init_sipi.pml's: its CPUs 1 and 2 INIT each other, the
 * others send them SIPIs, and all of that are exits of their guests. core.pml as in trace.pml; the run
 * loop by what the vCPUs' doorbells mark: Bell, and the name that the doorbell gives it.
 *
 * Here the request to meet is apart from the hint, as in the code. Who sees either before its guest
 * goes on has to serve; the last look is that between the announcement of the guest and the guest. What
 * has ended the guest's stretch is no mark, where it was no ICR write: it may have been a HLT.
 */

#include "path.pml"

#define MARK(name, ...) MARK_IS(me, MARK_##name, __VA_ARGS__, 0, 0, 0, 0, 0);
#define MARKED (!astray && next_who == me)
#define IS_NEXT(name) (MARKED && next_what == MARK_##name)
#define ANNOUNCES(state) (IS_NEXT(BellAnnounce) && next[0] == state)
/* Also who sleeps in the run loop may. */
#define OR_WOKEN_FOR_NOTHING \
  :: atomic { IS_NEXT(Waits) && sleeping[me] -> MARK(Waits, 0) }

#define FOLLOWED

bool asked[CPUS]; /* to meet */
#define NOTIFY(c) MARKED; MARK(BellRing, MEET) asked[c] = true

#include "init_sipi.pml"

proctype Thread(byte me) {
  LOCALS;
  atomic { IS_NEXT(BellClaim) -> MARK(BellClaim, 0) }
  goto look;
end:
  do
  :: atomic { IS_NEXT(BellTake) && asked[me] -> MARK(BellTake, MEET) asked[me] = false }
serve:
     ServeIf(MARKED, me)
  :: atomic { IS_NEXT(BellForceExit) && MUST_FINISH(me) -> MARK(BellForceExit, 0) FinishExit(me) }
  :: atomic {
       IS_NEXT(BellForceExit) && MAY_RUN(me) && reset[me] -> MARK(BellForceExit, 0) ApplyReset(me)
     }
  :: atomic { ANNOUNCES(PARKED) && MUST_SLEEP(me) -> MARK(BellAnnounce, PARKED) parked[me] = true }
     atomic { IS_NEXT(BellClaim) && !lent[me] -> MARK(BellClaim, 0) parked[me] = false }
look:
     atomic {
       MARKED ->
       MARK(Pending, me, pending[me])
       if
       :: pending[me] -> goto serve
       :: else
       fi
     }
  :: atomic { ANNOUNCES(GUEST) && MAY_RUN(me) && !reset[me] -> MARK(BellAnnounce, GUEST) }
     if
     :: atomic { MARKED && asked[me] -> MARK(BellRequests, MEET) }
        atomic { MARKED -> MARK(BellAnnounce, USER) }
     :: atomic { MARKED && !asked[me] -> MARK(BellRequests, 0) EnterGuest(me) }
        atomic { MARKED -> MARK(BellLeave, 0) }
        if
        :: atomic { IS_NEXT(Queue) -> WriteIcr(me, next[0]) }
           Perform(me)
        :: atomic { MARKED && next_what != MARK_Queue }
        :: atomic { MARKED && next_what != MARK_Queue -> halted[me] = true }
        fi
     fi
  od
}

init {
  byte thread;
  atomic {
    c_code { ReadRun(); };
    joined = ALL;
    do
    :: thread < CPUS ->
       anywhere[thread] = true;
       sends_sipi[thread] = (thread != 1 && thread != 2);
       if
       :: thread == 0 -> reset[0] = true /* it starts in its first Run */
       :: else -> waits_for_sipi[thread] = true; dead[thread] = true
       fi;
       run Thread(thread);
       thread++
    :: else -> break
    od
  }
  ACCEPT
}
