/* A sleeping vCPU that others act for: TryBorrow, GiveBack, Park, Unpark and TakeBack of
 * src/vcpu/run/doorbell.cc, one owner, CPUS - 1 borrowers, one that rings, and a thread that calls
 * Run while the owner is inside, and is refused (ClaimFrom). Every access there is seq_cst and a
 * locked instruction, so each is one step here.
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
#define ACTS 2 /* by each */
#define RINGS 2

mtype = {User, Parked, Borrowed};

mtype execution = User;
byte requests;
byte waiters;
bool rung, rung_for_intruder; /* the wake word has changed since their Prepare */

#define WAKE atomic { rung = true; rung_for_intruder = true }
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

active proctype Owner() {
  bool looking;
  do
  :: atomic { requests != 0 -> requests = 0; halted = false } /* Take; the HLT is complete */
  :: atomic { requests == 0 && !halted -> halted = true } /* the guest ran, up to its HLT */
  :: requests == 0 && halted ->
     /* Park */
     rung = false; /* Prepare */
     atomic { holders--; execution = Parked }
     if
     :: requests == 0 ->
end_parked:
        rung
     :: requests != 0
     fi;
     /* Unpark */
     do
#ifdef M_OWNER_DOES_NOT_WAIT
     :: atomic { execution = User; holders++; assert(holders == 1) } break
#else
     :: atomic { execution == Parked -> execution = User; holders++; assert(holders == 1) } break
     :: execution != Parked ->
        /* TakeBack */
        WAIT_BEGINS;
        do
        :: rung = false;
           if
           :: execution != Borrowed -> break
           :: execution == Borrowed ->
end_behind_borrower:
              rung
           fi
        od;
        WAIT_ENDS
#endif
     od;
#ifdef M_WOKEN_IS_RUN
     /* It was woken, so there must be something: its wake condition is not looked at again. */
     atomic { assert(requests != 0); halted = false }
#endif
  od
}

proctype Borrower() {
  byte acts = ACTS;
  do
  :: acts > 0 ->
     acts--;
     if
     :: atomic { execution == Parked -> execution = Borrowed; holders++; assert(holders == 1) }
        assert(holders == 1 && halted); /* acts */
#ifdef M_LOOK_BEFORE_GIVING_BACK
        if
        :: waiters == 0 -> atomic { holders--; execution = Parked }
        :: waiters != 0 -> atomic { holders--; execution = Parked } WAKE
        fi
#else
        atomic { holders--; execution = Parked }
#ifndef M_GIVE_BACK_WAKES_NOBODY
        if
        :: waiters != 0 -> WAKE
        :: waiters == 0
        fi
#endif
#endif
     :: execution != Parked
     fi
  :: acts == 0 -> break
  od
}

proctype Ringer() {
  byte rings = RINGS;
  do
  :: rings > 0 ->
     atomic { rings--; requests = 1 }
     if
     :: execution == Parked -> WAKE
#ifdef M_RING_SPARES_BORROWED
     :: execution == Borrowed
#else
     :: execution == Borrowed -> WAKE
#endif
     :: execution == User
     fi
  :: rings == 0 -> break
  od
}

proctype Intruder() {
  if
  :: execution == Borrowed ->
     WAIT_BEGINS;
     do
     :: rung_for_intruder = false;
        if
        :: execution != Borrowed -> break
        :: execution == Borrowed -> rung_for_intruder
        fi
     od;
     WAIT_ENDS
  :: execution != Borrowed
  fi
}

init {
  byte i;
  atomic {
    do
    :: i < BORROWERS -> run Borrower(); i++
    :: else -> break
    od;
    run Ringer();
    run Intruder()
  }
}

#ifndef LIVENESS /* there the formula has to find out */
active proctype Watch() {
  timeout -> assert(requests == 0)
}
#endif

ltl heard { []<>(requests == 0) }
