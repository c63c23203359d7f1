/* A run of a real Vm, with KVM, as a path of absent.pml's handshake: callers that act for a vCPU which
 * no thread runs, and others that have its run lock for a while. core.pml as in trace.pml; VmCore's
 * Notify, TryBorrow and GiveBack, and the end of VcpuCore::WhileLocked, by what that one vCPU's
 * doorbell marks. Its marks are Bell and the name that the doorbell gives them.
 *
 * Who has let go of a vCPU that was asked for tells the rendezvous, unless at some moment before its
 * next step nobody wants to be told.
 */

#include "path.pml"

#define OUTSIDE (MARKING_THREADS - CPUS)

#define MARK(name, ...) MARK_IS(me, MARK_##name, __VA_ARGS__, 0, 0, 0, 0, 0);
#define MARKED (!astray && next_who == me)
#define IS_NEXT(name) (MARKED && next_what == MARK_##name)
#define OR_WOKEN_FOR_NOTHING \
  :: atomic { IS_NEXT(Waits) && sleeping[me] -> MARK(Waits, 0) }

#define ABSENT 1 /* the vCPU */
#define FREE 0
#define USER 1
#define BORROWED 2

byte execution = FREE;
bool asked; /* kRequestMeet */

#define LOCK(state) assert(execution == FREE); execution = state
#define NOTIFY(c) MARK(BellRing, 1) asked = true
/* A borrow that fails is no mark. */
#define TRY_BORROW(c, got)                                              \
  if                                                                    \
  :: IS_NEXT(BellBorrow) -> MARK(BellBorrow, FREE) LOCK(BORROWED); got = true \
  :: else                                                               \
  fi
#define GIVE_BACK(c)                                                        \
  atomic { MARKED -> MARK(BellGiveBack, 0) execution = FREE }               \
  Tell(c)
#define GRANTED(t) skip

#include "core.pml"

#define IS_WAITED_FOR(c) (HAS(requested, c) && anywhere[work])

inline Tell(c) {
  if
  :: atomic { MARKED && !asked -> MARK(BellRequests, 0) }
  :: atomic { MARKED && asked -> MARK(BellRequests, 1) }
     if
     :: atomic { IS_NEXT(Freed) && IS_WAITED_FOR(c) -> Freed(c) }
     :: !astray && !IS_WAITED_FOR(c)
     fi
  fi
}

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
       late[me] = false
     }
     Perform(me)
  :: atomic { IS_NEXT(Release) -> Release(me) }
     /* Looks at it. */
  :: atomic { IS_NEXT(BellBorrow) -> MARK(BellBorrow, FREE) LOCK(BORROWED) }
     if
     :: atomic { IS_NEXT(BellTake) -> MARK(BellTake, 1) asked = false }
     :: atomic { MARKED && next_what != MARK_BellTake }
     fi;
     GIVE_BACK(ABSENT)
     /* Sends by it, unless it stands. */
  :: atomic { IS_NEXT(Pending) -> MARK(Pending, ABSENT, pending[ABSENT]) }
  :: atomic { IS_NEXT(BellClaim) -> MARK(BellClaim, 0) LOCK(USER) }
     atomic { MARKED -> MARK(BellAnnounce, FREE) execution = FREE }
     Tell(ABSENT)
  od
}

init {
  byte thread;
  atomic {
    c_code { ReadRun(); };
    joined = BIT(0) | BIT(ABSENT);
    do
    :: thread < MARKING_THREADS -> run Thread(thread); thread++
    :: else -> break
    od
  }
  ACCEPT
}
