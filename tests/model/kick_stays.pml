/* Stays in Run that follow each other on two threads, and kicks that outlast one: Claim, Release and
 * Kick of src/vcpu/run/doorbell.{h,cc}, with RunSession around them. CPUS - 1 threads ring. What is
 * exact in kick.pml is coarse here: each access is a step, without store buffers, for thread_ is
 * drained by the kGuest that follows it, and all else that matters is a locked instruction.
 *
 * No thread outside Run is signalled, or left with a signal. Nobody is in the guest while something
 * is requested, with nothing on its way to kick it.
 *
 * kickers_ is one for all stays. So who has left, and waits there for those who kicked it, may wait
 * for those who kick the next owner too. Nobody begins to while that one waits in Claim: there is a
 * moment at which the count is 0 for each stay that begins, but who looks only now and then may miss
 * it, and later ones. With rings that come to an end the wait does. M_RINGS_WITHOUT_END is no fault of
 * the code but shows its limit: only that threads are not so regular bounds the wait then.
 *
 * MARK names the steps as the code does (sync_marks.h); it is nothing here. kick_stays_trace.pml
 * follows a run of the code by it.
 *
 * check: safety
 * check: liveness
 * mutant: M_CLAIM_DOES_NOT_WAIT safety
 * mutant: M_THREAD_BEFORE_WAIT safety
 * mutant: M_RELEASE_DOES_NOT_WAIT safety
 * mutant: M_NO_LAST_LOOK safety
 * mutant: M_RINGS_WITHOUT_END liveness
 */

#ifndef CPUS
#define CPUS 3
#endif
#define RINGERS (CPUS - 1)
#ifdef FOLLOWED
#define STAYS 32000
#define RINGS 32000
#else
#define STAYS 2 /* of each owner */
#define RINGS (me == 0 && MORE_RINGS -> 2 : 1)
#endif
#if defined(LIVENESS) || CPUS > 3
#define MORE_RINGS false /* for want of time */
#else
#define MORE_RINGS true
#endif
#define OWNER (RINGERS + me)

#ifndef MARK
#define MARK(who, name, value) skip
#define ON_THE_PATH
#endif

mtype = {Free, User, Guest};

/* As the code has it, enum Execution. */
#define NUMBER(state) (state == User -> 1 : (state == Guest -> 2 : 0))

bool request;
mtype execution = Free;
bit immediate_exit;
byte kickers;
bool kicks[2]; /* have been counted since that owner's session began */
byte thread;

bool signal[2]; /* the kernel's */

/* Assertions'. */
bool in_run[2];
bool leaving[2];

#define ANNOUNCE(state) execution = state; MARK(OWNER, Announce, NUMBER(state))

/* Who finds the other inside is refused, and comes again. */
proctype Owner(byte me) ON_THE_PATH {
  short stays = STAYS;
  bool kicked, exits;
end:
  do
  :: atomic {
       stays > 0 && execution == Free -> execution = User; in_run[me] = true; MARK(OWNER, Claim, 0)
     }
     /* Claim */
#ifdef M_THREAD_BEFORE_WAIT
     thread = me;
#endif
#ifndef M_CLAIM_DOES_NOT_WAIT
     kickers == 0;
#endif
#ifndef M_THREAD_BEFORE_WAIT
     thread = me;
#endif
     kicks[me] = false;
     do
     :: atomic { ANNOUNCE(Guest) }
#ifndef M_NO_LAST_LOOK
        if
        :: atomic { request -> MARK(OWNER, Requests, 1) }
           atomic { ANNOUNCE(User) }
           atomic { MARK(OWNER, Take, request); request = false }
           goto again
        :: atomic { !request -> MARK(OWNER, Requests, 0) }
        fi;
#endif
        if
        :: atomic { immediate_exit -> kicked = true; MARK(OWNER, Enter, 1) } /* returns at once */
        :: atomic { !immediate_exit -> MARK(OWNER, Enter, 0) }
           if
           :: exits = true
           :: exits = false
           fi;
end_guest:
           atomic {
             signal[me] || exits -> kicked = signal[me]; exits = false; MARK(OWNER, Exit, kicked)
           }
        fi;
        atomic { execution = User; MARK(OWNER, Leave, 0) }
        if
        :: atomic { !immediate_exit -> MARK(OWNER, SeeExit, 0) }
        :: atomic { immediate_exit -> MARK(OWNER, SeeExit, 1) }
           atomic {
             MARK(OWNER, ClearExit, immediate_exit);
             kicked = kicked || immediate_exit; immediate_exit = 0
           }
        fi;
        if
        :: atomic { kicked -> signal[me] = false; kicked = false; MARK(OWNER, SwallowKick, 0) }
        :: !kicked
        fi;
again:
        skip
     :: break
     od;
     /* Release */
     atomic { leaving[me] = true; ANNOUNCE(Free) }
#ifndef M_RELEASE_DOES_NOT_WAIT
     atomic { kickers == 0 -> MARK(OWNER, Release, 0) }
#endif
     atomic {
       leaving[me] = false;
       if
       :: kicks[me] -> signal[me] = false; MARK(OWNER, SwallowKick, 0)
       :: !kicks[me]
       fi
     }
     atomic {
       MARK(OWNER, Outside, signal[me]);
       assert(!signal[me]);
       in_run[me] = false;
       kicks[me] = false;
#ifndef M_RINGS_WITHOUT_END
       stays--
#endif
     }
  od
}

proctype Ringer(byte me) ON_THE_PATH {
  short rings = RINGS;
  byte whom;
end:
  do
  :: atomic {
       rings > 0 ->
#ifndef M_RINGS_WITHOUT_END
       rings--;
#endif
       request = true; MARK(me, Ring, 1)
     }
     if
     :: atomic { execution == Guest -> MARK(me, Where, NUMBER(Guest)) }
        /* Kick */
        atomic { kickers++; MARK(me, KickBegins, 0) }
        if
        :: atomic { execution == Guest -> MARK(me, Where, NUMBER(Guest)) }
           if
           :: atomic { !immediate_exit -> immediate_exit = 1; MARK(me, SetExit, 0) }
              atomic { kicks[0] = true; kicks[1] = true; MARK(me, Kick, 0) }
              whom = thread;
              atomic { assert(in_run[whom]); signal[whom] = true; whom = 0; MARK(me, Signal, 0) }
           :: atomic { immediate_exit -> MARK(me, SetExit, 1) }
           fi
        :: atomic { execution != Guest -> MARK(me, Where, NUMBER(execution)) }
        fi;
        atomic { kickers--; MARK(me, KickEnds, 0) }
     :: atomic { execution != Guest -> MARK(me, Where, NUMBER(execution)) }
     fi
  od
}

inline Begin() {
  run Owner(0);
  run Owner(1);
  i = 0;
  do
  :: i < RINGERS -> run Ringer(i); i++
  :: else -> break
  od
}

#ifndef FOLLOWED
init {
  byte i;
  atomic { Begin() }
}

#ifndef LIVENESS
active proctype Watch() {
  timeout -> assert(!(execution == Guest && request))
}
#endif

ltl leaves { []<>!leaving[0] && []<>!leaving[1] }
#endif
