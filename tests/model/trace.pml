/* A run of the real code, as a path of the rendezvous' model: core.pml, in which a thread steps only
 * where the run says that it did, and what it marks has to be what the run says. Each thread of the
 * run is a process; what it does next, and for whom, is read off the run, the model decides what
 * comes of it.
 */

#include "path.pml"

#define OUTSIDE (MARKING_THREADS - CPUS)

#define MARK(name, ...) MARK_IS(me, MARK_##name, __VA_ARGS__, 0, 0, 0, 0, 0);
#define MARKED (!astray && next_who == me)
#define IS_NEXT(name) (MARKED && next_what == MARK_##name)
/* A thread that sleeps may wake for no reason, and finds none. */
#define OR_WOKEN_FOR_NOTHING \
  :: atomic { IS_NEXT(Waits) && sleeping[me] -> MARK(Waits, 0) }

#define NOTIFY(c) skip
#define TRY_BORROW(c, got)          \
  if                                \
  :: IS_NEXT(Borrow) && next[0] == (c) -> got = true  \
  :: else                           \
  fi
#define GIVE_BACK(c) skip
#define GRANTED(t) skip

bool stops[MARKING_THREADS]; /* has yet to release what it stopped, or wanted to */
#include "core.pml"

proctype Thread(byte me) {
  LOCALS;
end:
  do
  :: atomic {
       IS_NEXT(Queue) ->
       targets[me] = next[0];
       is_stop[me] = next[1];
       anywhere[me] = next[2];
       through[me] = next[3];
       may_be_late[me] = next[4];
       late[me] = false;
       stops[me] = stops[me] || is_stop[me]
     }
     Perform(me)
  :: ServeIf(IS_NEXT(ClearHint), me)
  :: atomic { IS_NEXT(Join) -> cpu = next[0]; Join(cpu); cpu = 0 }
  :: atomic { IS_NEXT(Freed) -> cpu = next[0]; Freed(cpu); cpu = 0 }
  :: atomic { IS_NEXT(Leave) -> cpu = next[0]; Leave(cpu); cpu = 0 }
  :: atomic {
       IS_NEXT(Release) && stops[me] ->
       stops[me] = false;
       if
       :: wanted[me] != 0 -> Release(me)
       :: else -> MARK(Release, held, standstills) WakeNextTurn() /* it did not have its turn */
       fi
     }
  :: atomic { IS_NEXT(Pending) -> cpu = next[0]; MARK(Pending, cpu, pending[cpu]) cpu = 0 }
  od
}

init {
  byte thread;
  atomic {
    c_code { ReadRun(); };
    do
    :: thread < MARKING_THREADS -> run Thread(thread); thread++
    :: else -> break
    od
  }
  ACCEPT
}
