/* The kick: src/vcpu/run/doorbell.{h,cc} and session.{h,cc}, with the run loop around them. One owner,
 * and CPUS - 1 threads that ring it. Each thread has a store buffer, as x86 has, that is drained at any
 * time; a seq_cst store is an xchg, and like every locked instruction waits until it is empty.
 *
 * MARK names the steps as the code does (sync_marks.h); it is nothing here. kick_trace.pml follows a
 * run of the code by it.
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
#if defined(FOLLOWED)
#define RINGS 32000
#elif defined(LIVENESS)
#define RINGS 1
#elif CPUS > 3
#define RINGS (me == 0 -> 2 : 1) /* what memory has room for */
#else
#define RINGS 2 /* by each */
#endif
#define OWNER RINGERS

#ifndef MARK
#define MARK(who, name, value) skip
#define ON_THE_PATH
#endif

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

/* The owner's store buffer; the ringers use locked instructions alone. STORES is the most that ever
 * wait there: User, then the 0 and the 1 of V_PLAIN_CLEAR. */
#define STORES 3
mtype = {Execution, ImmediateExit};
chan buffer = [STORES] of {mtype, mtype, bit};
bit own_exit;      /* what the owner itself reads of immediate_exit */
byte exits_stored; /* in the buffer */

active proctype Drain() ON_THE_PATH {
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

/* As the code has it, enum Execution. */
#define NUMBER(state) \
  (state == User -> 1 : (state == Guest -> 2 : (state == Busy -> 3 : (state == Parked -> 4 : 0))))

#define DRAINED (len(buffer) == 0)
#define OWN_EXIT (exits_stored > 0 -> own_exit : immediate_exit)

#define STORE_PLAIN_EXIT(value, name)                                                          \
  atomic {                                                                                     \
    assert(len(buffer) < STORES); own_exit = value; exits_stored++;                            \
    buffer!ImmediateExit(Free, value);                                                         \
    MARK(OWNER, name, 0)                                                                       \
  }
inline Announce(state) {
#ifdef V_NO_EXECUTION_WORD
  skip
#else
  atomic { DRAINED -> execution = state; MARK(OWNER, Announce, NUMBER(state)) }
#endif
}

/* ---- the owner ---- */

active proctype Owner() ON_THE_PATH {
  bool halted, half_done, kicked, interrupted, exits, busy, waited;

outside:
  atomic { kicks = false; exits = false; kicked = false; interrupted = false }
  atomic {
    DRAINED && execution == Free -> execution = User; in_run = true; MARK(OWNER, Claim, 0)
  }
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
  :: atomic {
       (requests & ~(busy -> MAIL : 0)) != 0 -> exits = false; MARK(OWNER, Requests, requests)
     }
     atomic {
       DRAINED -> MARK(OWNER, Take, requests); requests = 0; halted = false; waited = false
     }
     goto loop
  :: atomic { (requests & ~(busy -> MAIL : 0)) == 0 -> MARK(OWNER, Requests, requests) }
  fi;

  if
  :: half_done ->
     /* FinishExit */
     STORE_PLAIN_EXIT(1, ForceExit);
     assert(OWN_EXIT == 1); /* KVM_RUN completes the exit and returns */
     atomic {
       DRAINED -> MARK(OWNER, ClearExit, immediate_exit); immediate_exit = 0; half_done = false
     }
     goto loop
  :: !half_done && halted ->
     atomic { rung = false; MARK(OWNER, Prepare, 0) }
#ifdef M_PLAIN_PARK
     atomic { assert(len(buffer) < STORES); buffer!Execution(Parked, 0) }
#else
     Announce(Parked);
#endif
     if
     :: atomic { requests == 0 -> MARK(OWNER, Requests, 0) }
end_parked:
        rung
     :: atomic { requests != 0 -> MARK(OWNER, Requests, requests) }
     fi;
     atomic { DRAINED -> execution = User; MARK(OWNER, Claim, 0) }
     goto loop
  :: else
  fi;

  /* EnterGuest */
#ifdef M_PLAIN_ANNOUNCEMENT
  atomic { assert(len(buffer) < STORES); buffer!Execution(Guest, 0) }
#else
  Announce((busy -> Busy : Guest));
#endif
#if !defined(M_NO_LAST_LOOK) && !defined(V_NO_EXECUTION_WORD)
  if
  :: atomic { (requests & ~(busy -> MAIL : 0)) == 0 -> MARK(OWNER, Requests, requests) }
  :: atomic { (requests & ~(busy -> MAIL : 0)) != 0 -> MARK(OWNER, Requests, requests) }
     Announce(User);
     goto loop
  fi;
#endif
#ifdef M_PLAIN_CLEAR_BEFORE_ENTRY
  STORE_PLAIN_EXIT(0, ClearExit);
#endif

  /* KVM_RUN looks at immediate_exit first, and at the signals last, before it enters. */
  if
  :: atomic { OWN_EXIT == 1 -> interrupted = true; MARK(OWNER, Enter, 1) }
  :: atomic { OWN_EXIT == 0 -> interrupted = false; kicked = false; MARK(OWNER, Enter, 0) }
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
       fi;
       MARK(OWNER, Exit, interrupted)
     }
  fi;

  /* LeaveGuest */
#ifdef V_NO_EXECUTION_WORD
  skip;
#else
  atomic { assert(len(buffer) < STORES); buffer!Execution(User, 0); MARK(OWNER, Leave, 0) }
#endif
#if defined(M_PLAIN_CLEAR) || defined(V_PLAIN_CLEAR)
  atomic { kicked = (OWN_EXIT == 1) }
  STORE_PLAIN_EXIT(0, ClearExit);
#else
  if
  :: atomic { OWN_EXIT == 0 -> kicked = false; MARK(OWNER, SeeExit, 0) }
  :: atomic { OWN_EXIT == 1 -> MARK(OWNER, SeeExit, 1) }
     atomic {
       DRAINED -> kicked = immediate_exit; immediate_exit = 0; MARK(OWNER, ClearExit, kicked)
     }
  fi;
#endif
  if
  :: atomic { kicked || interrupted -> signal = false; MARK(OWNER, SwallowKick, 0) }
  :: else
  fi;
  atomic {
    if
    :: busy && interrupted -> MARK(OWNER, Requests, requests)
    :: else
    fi;
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
  atomic { DRAINED -> execution = Free; MARK(OWNER, Announce, NUMBER(Free)) }
#ifndef M_NO_HANDSHAKE
  atomic { kickers == 0 -> MARK(OWNER, Release, 0) }
#endif
  atomic {
    if
    :: kicks -> signal = false; MARK(OWNER, SwallowKick, 0)
    :: else
    fi;
    assert(!signal);
    in_run = false
  }
  goto outside
}

/* ---- who rings it ---- */

#define WHERE MARK(me, Where, NUMBER(execution))

proctype Ringer(byte me) ON_THE_PATH {
  short rings = RINGS;
  do
  :: atomic { rings > 0 -> rings--; requests = requests | (1 << me); MARK(me, Ring, 1 << me) }
     if
     :: atomic { KICKABLE -> WHERE }
        /* Kick */
#if !defined(M_NO_HANDSHAKE) && !defined(V_NO_EXECUTION_WORD)
        atomic { kickers++; MARK(me, KickBegins, 0) }
#endif
        if
#if defined(M_KICK_WITHOUT_LOOK)
        :: true ->
#else
        :: atomic { !KICKABLE -> WHERE }
        :: atomic { KICKABLE -> WHERE }
#endif
           if
           :: atomic { immediate_exit == 0 -> immediate_exit = 1; MARK(me, SetExit, 0) }
              atomic { kicks = true; MARK(me, Kick, 0) }
              /* No thread outside Run is signalled. */
              atomic { assert(in_run); signal = true; MARK(me, Signal, 0) }
           :: atomic { immediate_exit == 1 -> MARK(me, SetExit, 1) }
           fi
        fi;
#if !defined(M_NO_HANDSHAKE) && !defined(V_NO_EXECUTION_WORD)
        atomic { kickers--; MARK(me, KickEnds, 0) }
#else
        skip
#endif
     :: atomic { execution == Parked -> WHERE }
        atomic { rung = true; MARK(me, Wake, 0) }
     :: atomic {
          execution == User || execution == Free || (execution == Busy && me == 0) -> WHERE
        }
     fi
  :: rings == 0 -> break
  od
}

#ifndef FOLLOWED
init {
  byte i;
  atomic {
    do
    :: i < RINGERS -> run Ringer(i); i++
    :: else -> break
    od
  }
}

#ifndef LIVENESS /* there the formula has to find out */
active proctype Watch() {
  timeout -> assert(requests == 0)
}
#endif

ltl heard { []<>(requests == 0) }
#endif
