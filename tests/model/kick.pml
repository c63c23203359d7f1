/* The kick: src/vcpu/run/doorbell.cc and session.cc, with the run loop around them. One owner, and
 * CPUS - 1 threads that ring it. Each thread has a store buffer, as x86 has, that is drained at any
 * time; a seq_cst store is an xchg, and like every locked instruction waits until it is empty.
 *
 * An owner that rests while a request is there was lost. The guest may never exit by itself.
 *
 * The first ringer's requests are mail. Now and then the owner enters as Busy, in which mail neither
 * prevents the entry nor kicks; the clock has the guest exit then, if nothing else does.
 *
 * The last two checks are of what the code could be: without the execution word the exchange that
 * clears immediate_exit is needed; with it, the announcement of the next entry drains the buffer
 * just as well.
 *
 * check: safety
 * check: liveness
 * check: safety V_NO_EXECUTION_WORD
 * check: safety V_PLAIN_CLEAR
 * mutant: M_PLAIN_CLEAR safety
 * mutant: M_PLAIN_CLEAR_BEFORE_ENTRY safety
 * mutant: M_NO_LAST_LOOK safety
 * mutant: M_NO_LAST_LOOK liveness
 * mutant: M_PLAIN_ANNOUNCEMENT safety
 * mutant: M_PLAIN_ANNOUNCEMENT liveness
 * mutant: M_PLAIN_PARK safety
 * mutant: M_NO_HANDSHAKE safety
 * mutant: M_KICK_WITHOUT_LOOK safety
 * mutant: M_BUSY_WITHOUT_CLOCK safety
 */

#ifndef CPUS
#define CPUS 3
#endif
#define RINGERS (CPUS - 1)
#ifdef LIVENESS
#define RINGS 1
#else
#define RINGS 2 /* by each */
#endif
#define OWNER RINGERS

#ifdef M_PLAIN_CLEAR
#define V_NO_EXECUTION_WORD
#endif

mtype = {Free, User, Guest, Busy, Parked};

#define MAIL 1
#define KICKABLE (execution == Guest || (execution == Busy && me != 0))

/* Memory. */
byte requests;
mtype execution = Free;
bit immediate_exit;
byte kickers;
bool rung; /* the wake word has changed since Prepare */
bool kicks; /* have been counted since the session began */

/* The kernel's. */
bool signal;

/* Assertions'. */
bool in_run;

/* The owner's store buffer; the ringers use locked instructions alone. */
mtype = {Execution, ImmediateExit};
chan buffer = [2] of {mtype, mtype, bit};
bit own_exit;      /* what the owner itself reads of immediate_exit */
byte exits_stored; /* in the buffer */

active proctype Drain() {
  mtype what, state;
  bit value;
end:
  do
  :: atomic {
       buffer?what, state, value ->
       if
       :: what == Execution -> execution = state
       :: what == ImmediateExit -> immediate_exit = value; exits_stored--
       fi;
       what = 0; state = 0; value = 0
     }
  od
}

#define DRAINED (len(buffer) == 0)
#define OWN_EXIT (exits_stored > 0 -> own_exit : immediate_exit)

inline StorePlainExit(value) {
  atomic { len(buffer) < 2 -> own_exit = value; exits_stored++; buffer!ImmediateExit(Free, value) }
}
inline Announce(state) {
#ifdef V_NO_EXECUTION_WORD
  skip
#else
  atomic { DRAINED -> execution = state }
#endif
}

/* ---- the owner ---- */

active proctype Owner() {
  bool halted, half_done, kicked, interrupted, exits, busy, waited;

outside:
  atomic { kicks = false; exits = false; kicked = false; interrupted = false }
  atomic { DRAINED && execution == Free -> execution = User; in_run = true }
#ifdef V_NO_EXECUTION_WORD
  execution = Guest; /* whatever the owner does: each ring kicks */
#endif

loop:
#ifndef V_NO_EXECUTION_WORD
  if
  :: !half_done && !halted && !waited -> busy = true
  :: busy = false
  fi;
#endif
  if
  :: atomic { (requests & ~(busy -> MAIL : 0)) != 0 -> exits = false }
     atomic { DRAINED -> requests = 0; halted = false; waited = false } /* Take */
     goto loop
  :: (requests & ~(busy -> MAIL : 0)) == 0
  fi;

  if
  :: half_done ->
     /* FinishExit */
     StorePlainExit(1);
     assert(OWN_EXIT == 1); /* KVM_RUN completes the exit and returns */
     atomic { DRAINED -> immediate_exit = 0; half_done = false }
     goto loop
  :: !half_done && halted ->
     rung = false; /* Prepare */
#ifdef M_PLAIN_PARK
     atomic { len(buffer) < 2 -> buffer!Execution(Parked, 0) }
#else
     Announce(Parked);
#endif
     if
     :: requests == 0 ->
end_parked:
        rung
     :: requests != 0
     fi;
     atomic { DRAINED -> execution = User }
     goto loop
  :: else
  fi;

  /* EnterGuest */
#ifdef M_PLAIN_ANNOUNCEMENT
  atomic { len(buffer) < 2 -> buffer!Execution(Guest, 0) }
#else
  Announce((busy -> Busy : Guest));
#endif
#if !defined(M_NO_LAST_LOOK) && !defined(V_NO_EXECUTION_WORD)
  if
  :: (requests & ~(busy -> MAIL : 0)) == 0
  :: else -> Announce(User); goto loop
  fi;
#endif
#ifdef M_PLAIN_CLEAR_BEFORE_ENTRY
  StorePlainExit(0);
#endif

  /* KVM_RUN looks at immediate_exit first, and at the signals last, before it enters. */
  if
  :: atomic { OWN_EXIT == 1 -> interrupted = true }
  :: atomic { OWN_EXIT == 0 -> interrupted = false; kicked = false }
     if
     :: exits = true
#ifdef M_BUSY_WITHOUT_CLOCK
     :: exits = false
#else
     :: !busy -> exits = false
#endif
     fi;
end_guest:
     atomic {
       DRAINED && (signal || exits) ->
       if
       :: signal -> interrupted = true
       :: !signal
       fi
     }
  fi;

  /* LeaveGuest */
  Announce(User);
#if defined(M_PLAIN_CLEAR) || defined(V_PLAIN_CLEAR)
  atomic { kicked = (OWN_EXIT == 1) }
  StorePlainExit(0);
#else
  atomic { DRAINED -> kicked = immediate_exit; immediate_exit = 0 }
#endif
  if
  :: atomic { kicked || interrupted -> signal = false } /* SwallowKick */
  :: else
  fi;
  atomic {
    waited = waited || (busy && (!interrupted || (requests & ~MAIL) != 0));
    kicked = false; exits = false
  }
  if
  :: atomic { interrupted -> interrupted = false } goto loop
  :: !interrupted
  fi;
  if
  :: true -> goto loop
#ifndef V_NO_EXECUTION_WORD
  :: halted = true; goto loop
  :: half_done = true; goto loop
  :: half_done = true; /* and Run returns with the exit */
#endif
  fi;

  /* ~RunSession */
  atomic { DRAINED -> execution = Free }
#ifndef M_NO_HANDSHAKE
  kickers == 0;
#endif
  atomic {
    if
    :: kicks -> signal = false
    :: else
    fi;
    assert(!signal);
    in_run = false
  }
  goto outside
}

/* ---- who rings it ---- */

proctype Ringer(byte me) {
  byte rings = RINGS;
  do
  :: atomic { rings > 0 -> rings--; requests = requests | (1 << me) }
     if
     :: KICKABLE ->
        /* Kick */
#if !defined(M_NO_HANDSHAKE) && !defined(V_NO_EXECUTION_WORD)
        kickers++;
#endif
        if
#if defined(M_KICK_WITHOUT_LOOK)
        :: true ->
#else
        :: !KICKABLE
        :: KICKABLE ->
#endif
           if
           :: atomic { immediate_exit == 0 -> immediate_exit = 1 }
              kicks = true;
              atomic { assert(in_run); signal = true } /* no thread outside Run is signalled */
           :: immediate_exit == 1
           fi
        fi;
#if !defined(M_NO_HANDSHAKE) && !defined(V_NO_EXECUTION_WORD)
        kickers--
#else
        skip
#endif
     :: execution == Parked -> rung = true
     :: execution == User || execution == Free || (execution == Busy && me == 0)
     fi
  :: rings == 0 -> break
  od
}

init {
  byte i;
  atomic {
    do
    :: i < RINGERS -> run Ringer(i); i++
    :: else -> break
    od
  }
}

active proctype Watch() {
  timeout -> assert(requests == 0)
}

ltl heard { []<>(requests == 0) }
