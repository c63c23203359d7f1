/* A sleeping vCPU that others act for: TryBorrow, GiveBack, Park, Unpark and TakeBack of
 * src/vcpu/run/doorbell.cc, one owner, CPUS - 1 borrowers, one that rings, and a thread that calls
 * Run while the owner is inside, and is refused (ClaimFrom). Every access there is seq_cst and a
 * locked instruction, so each is one step here.
 *
 * MARK names the steps as the code does (sync_marks.h); it is nothing here. borrow_trace.pml follows a
 * run of the code by it. What leaves all as it was is no mark: a claim or a borrow that fails.
 *
 * One at a time holds the vCPU; what is rung for is taken; an act for it neither wakes the vCPU nor
 * is lost to it.
 *
 * check: safety
 * check: liveness
 * mutant: M_OWNER_DOES_NOT_WAIT safety
 * mutant: M_GIVE_BACK_WAKES_NOBODY safety
 * mutant: M_GIVE_BACK_WAKES_NOBODY liveness
 * mutant: M_LOOK_BEFORE_GIVING_BACK safety
 * mutant: M_RING_SPARES_BORROWED safety
 * mutant: M_RING_SPARES_BORROWED liveness
 * mutant: M_WOKEN_IS_RUN safety
 * mutant: M_WAITERS_FLAG safety
 */

#ifndef CPUS
#define CPUS 3
#endif
#define BORROWERS (CPUS - 1)
#ifdef FOLLOWED
#define ACTS 255
#define RINGS 255
#define ONE_LESS(count) skip
#else
#define ACTS 2 /* by each */
#define RINGS 2
#define ONE_LESS(count) count--
#endif

#define RINGER BORROWERS
#define INTRUDER (BORROWERS + 1)
#define OWNER (BORROWERS + 2)

#ifndef MARK
#define MARK(who, name, value) skip
#define ON_THE_PATH
#endif

mtype = {User, Parked, Borrowed};

mtype execution = User;
byte requests;
byte waiters;
bool rung, rung_for_intruder; /* the wake word has changed since their Prepare */

/* As the code has it, enum Execution. */
#define NUMBER(state) (state == User -> 1 : (state == Parked -> 4 : 5))

#define WAKE(me) atomic { rung = true; rung_for_intruder = true; MARK(me, Wake, 0) }
#ifdef M_WAITERS_FLAG
#define WAIT_BEGINS waiters = 1
#define WAIT_ENDS waiters = 0
#else
#define WAIT_BEGINS waiters++
#define WAIT_ENDS waiters--
#endif

/* Assertions'. */
byte holders = 1;
bool halted; /* the guest has executed HLT, and nothing has completed it */

active proctype Owner() ON_THE_PATH {
  do
  :: atomic { requests != 0 -> MARK(OWNER, Requests, 1) }
     /* The HLT is complete. */
     atomic { MARK(OWNER, Take, requests); requests = 0; halted = false }
  :: atomic { requests == 0 -> MARK(OWNER, Requests, 0) }
     if
     :: atomic { !halted -> halted = true } /* the guest ran, up to its HLT */ goto awake
     :: halted
     fi;
     /* Park */
     atomic { rung = false; MARK(OWNER, Prepare, 0) }
     atomic { holders--; execution = Parked; MARK(OWNER, Announce, NUMBER(Parked)) }
     if
     :: atomic { requests == 0 -> MARK(OWNER, Requests, 0) }
end_parked:
        rung
     :: atomic { requests != 0 -> MARK(OWNER, Requests, 1) }
     fi;
     /* Unpark */
     do
#ifdef M_OWNER_DOES_NOT_WAIT
     :: atomic { execution = User; holders++; assert(holders == 1) } break
#else
     :: atomic {
          execution == Parked ->
          execution = User;
          MARK(OWNER, Claim, 0);
          holders++;
          assert(holders == 1)
        }
        break
     :: execution != Parked ->
        /* TakeBack */
        atomic { WAIT_BEGINS; MARK(OWNER, WaitBegins, 0) }
        do
        :: atomic { rung = false; MARK(OWNER, Prepare, 0) }
           if
           :: atomic { execution != Borrowed -> MARK(OWNER, Where, NUMBER(execution)) } break
           :: atomic { execution == Borrowed -> MARK(OWNER, Where, NUMBER(Borrowed)) }
end_behind_borrower:
              rung
           fi
        od;
        atomic { WAIT_ENDS; MARK(OWNER, WaitEnds, 0) }
#endif
     od;
#ifdef M_WOKEN_IS_RUN
     /* It was woken, so there must be something: its wake condition is not looked at again. */
     atomic { assert(requests != 0); halted = false }
#endif
awake:
     skip
  od
}

proctype Borrower(byte me) ON_THE_PATH {
  byte acts = ACTS;
  do
  :: acts > 0 ->
     ONE_LESS(acts);
     if
     :: atomic {
          execution == Parked ->
          execution = Borrowed;
          MARK(me, Borrow, NUMBER(Parked));
          holders++;
          assert(holders == 1)
        }
        assert(holders == 1 && halted); /* acts */
#ifdef M_LOOK_BEFORE_GIVING_BACK
        if
        :: waiters == 0 -> atomic { holders--; execution = Parked }
        :: waiters != 0 -> atomic { holders--; execution = Parked } WAKE(me)
        fi
#else
        atomic { holders--; execution = Parked; MARK(me, GiveBack, 0) }
#ifndef M_GIVE_BACK_WAKES_NOBODY
        if
        :: atomic { waiters != 0 -> MARK(me, IsWaitedFor, 1) } WAKE(me)
        :: atomic { waiters == 0 -> MARK(me, IsWaitedFor, 0) }
        fi
#endif
#endif
     :: execution != Parked
     fi
  :: acts == 0 -> break
  od
}

proctype Ringer(byte me) ON_THE_PATH {
  byte rings = RINGS;
  do
  :: rings > 0 ->
     atomic { ONE_LESS(rings); requests = 1; MARK(me, Ring, 1) }
     if
     :: atomic { execution == Parked -> MARK(me, Where, NUMBER(Parked)) } WAKE(me)
#ifdef M_RING_SPARES_BORROWED
     :: execution == Borrowed
#else
     :: atomic { execution == Borrowed -> MARK(me, Where, NUMBER(Borrowed)) } WAKE(me)
#endif
     :: atomic { execution == User -> MARK(me, Where, NUMBER(User)) }
     fi
  :: rings == 0 -> break
  od
}

proctype Intruder(byte me) ON_THE_PATH {
again:
  if
  :: execution == Borrowed ->
     atomic { WAIT_BEGINS; MARK(me, WaitBegins, 0) }
     do
     :: atomic { rung_for_intruder = false; MARK(me, Prepare, 0) }
        if
        :: atomic { execution != Borrowed -> MARK(me, Where, NUMBER(execution)) } break
        :: atomic { execution == Borrowed -> MARK(me, Where, NUMBER(Borrowed)) }
           rung_for_intruder
        fi
     od;
     atomic { WAIT_ENDS; MARK(me, WaitEnds, 0) }
  :: execution != Borrowed
  fi
#ifdef FOLLOWED
  ;
  goto again
#endif
}

inline Begin() {
  i = 0;
  do
  :: i < BORROWERS -> run Borrower(i); i++
  :: else -> break
  od;
  run Ringer(RINGER);
  run Intruder(INTRUDER)
}

#ifndef FOLLOWED
init {
  byte i;
  atomic { Begin() }
}

#ifndef LIVENESS /* there the formula has to find out */
active proctype Watch() {
  timeout -> assert(requests == 0)
}
#endif

ltl heard { []<>(requests == 0) }
#endif
