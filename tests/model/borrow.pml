/* A sleeping vCPU that others act for: TryBorrow, GiveBack, Park, Unpark and TakeBack of
 * src/vcpu/run/doorbell.cc, one owner, CPUS - 1 borrowers, and one that rings. Every access there
 * is seq_cst and a locked instruction, so each is one step here.
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
bool owner_waits;
bool rung; /* the wake word has changed since Prepare */

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
        owner_waits = true;
        do
        :: rung = false;
           if
           :: execution != Borrowed -> break
           :: execution == Borrowed -> rung
           fi
        od;
        owner_waits = false
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
        :: !owner_waits -> atomic { holders--; execution = Parked }
        :: owner_waits -> atomic { holders--; execution = Parked } rung = true
        fi
#else
        atomic { holders--; execution = Parked }
#ifndef M_GIVE_BACK_WAKES_NOBODY
        if
        :: owner_waits -> rung = true
        :: !owner_waits
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
     :: execution == Parked -> rung = true
#ifdef M_RING_SPARES_BORROWED
     :: execution == Borrowed
#else
     :: execution == Borrowed -> rung = true
#endif
     :: execution == User
     fi
  :: rings == 0 -> break
  od
}

init {
  byte i;
  atomic {
    do
    :: i < BORROWERS -> run Borrower(); i++
    :: else -> break
    od;
    run Ringer()
  }
}

active proctype Watch() {
  timeout -> assert(requests == 0)
}

ltl heard { []<>(requests == 0) }
