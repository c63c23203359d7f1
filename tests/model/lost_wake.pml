/* The look for lost wakes at a stop: WakeIsLost of src/vcpu/run/sleep.cc with SleepsUnwoken and Park
 * of doorbell.h. One vCPU sleeps; CPUS - 2 threads ring it, one acts for it, and one looks, before
 * the targets of its stop are told and when all stand. All but the owner are outside the run loops, and
 * counted while they may ring. Every access is seq_cst, but the owner's stores to asleep_, of which
 * the 0 may be late: it is drained by the claim at the latest.
 *
 * Nobody is accused of a lost wake. The last two mutants do lose one, which has to be found.
 *
 * check: safety
 * mutant: M_UNCOUNTED safety
 * mutant: M_COUNTED_LATE safety
 * mutant: M_COUNT_BEFORE_REQUESTS safety
 * mutant: M_WORD_BEFORE_COUNT safety
 * mutant: M_WORD_IGNORED safety
 * mutant: M_ASLEEP_IGNORED safety
 * mutant: M_ASLEEP_BEFORE_LOOK safety
 * mutant: M_RINGS_AFTER_GIVING_BACK safety
 * mutant: M_ACTS_WITHOUT_RING safety
 * mutant: M_RINGS_WITHOUT_WAKE safety
 */

#ifndef CPUS
#define CPUS 3
#endif
#define RINGERS (CPUS - 2)
#define TIMES 2 /* for each */

mtype = {User, Parked, Borrowed};

mtype execution = User;
bool requests;
byte word, parked_at; /* the wake word */
bool asleep;
byte ringing;
bool could_run; /* by what it has taken in: of who holds the vCPU */

#ifdef M_ASLEEP_BEFORE_LOOK
#define LOOK_THEN_STORE asleep = true; if :: !requests :: requests -> asleep = false; goto awake fi
#else
#define LOOK_THEN_STORE if :: !requests :: requests -> goto awake fi; asleep = true
#endif

active proctype Owner() {
  byte seen;
  bool early = true; /* may wake for no reason, once */
end:
  do
  :: atomic { requests -> requests = false; could_run = false }
  :: atomic { !requests && !could_run -> seen = word } /* the guest halts */
     parked_at = seen;
     execution = Parked;
     LOOK_THEN_STORE;
end_asleep:
     if
     :: word != seen
     :: early -> early = false
     fi;
     if
     :: asleep = false
     :: true /* it is in the store buffer */
     fi;
awake:
     atomic { execution == Parked -> execution = User; asleep = false }
  od
}

/* Of a thread that is counted. */
inline Ring() {
  requests = true;
#ifndef M_RINGS_WITHOUT_WAKE
  if
  :: execution != User -> word++
  :: execution == User
  fi
#endif
}

proctype Ringer() {
  byte times = TIMES;
  do
  :: times > 0 ->
     times--;
#if !defined(M_UNCOUNTED) && !defined(M_COUNTED_LATE)
     ringing++;
#endif
#ifdef M_COUNTED_LATE
     requests = true;
     ringing++;
#endif
     Ring();
#ifndef M_UNCOUNTED
     ringing--
#endif
  :: times == 0 -> break
  od
}

/* A SIPI's function. */
proctype Actor() {
  byte times = TIMES;
  do
  :: times > 0 ->
     times--;
     ringing++;
     if
     :: atomic { execution == Parked -> execution = Borrowed }
        could_run = true;
#if !defined(M_ACTS_WITHOUT_RING) && !defined(M_RINGS_AFTER_GIVING_BACK)
        Ring();
#endif
        execution = Parked;
#ifdef M_RINGS_AFTER_GIVING_BACK
        Ring();
#endif
     :: execution != Parked
     fi;
     ringing--
  :: times == 0 -> break
  od
}

#ifdef M_ASLEEP_IGNORED
#define ASLEEP true
#else
#define ASLEEP asleep
#endif
#ifdef M_WORD_IGNORED
#define UNWOKEN(seen) true
#else
#define UNWOKEN(seen) (seen == parked_at)
#endif

/* SleepsUnwoken */
inline AccuseIfUnwoken() {
  if
  :: ASLEEP -> seen = word; assert(!UNWOKEN(seen)) /* a wake was lost */
  :: !ASLEEP
  fi
}

active proctype Looker() {
  byte times = TIMES, seen, count;
  do
  :: times > 0 ->
     times--;
     if
     :: atomic { execution == Parked -> execution = Borrowed }
#ifdef M_COUNT_BEFORE_REQUESTS
        count = ringing;
#endif
        if
        :: !requests ->
           if
           :: could_run -> AccuseIfUnwoken()
           :: !could_run
           fi
        :: requests ->
#ifdef M_WORD_BEFORE_COUNT
           seen = word;
           if
           :: ASLEEP && ringing == 0 -> assert(!UNWOKEN(seen))
           :: !(ASLEEP && ringing == 0)
           fi
#else
#ifndef M_COUNT_BEFORE_REQUESTS
           count = ringing;
#endif
           if
           :: count == 0 -> AccuseIfUnwoken()
           :: count != 0
           fi
#endif
        fi;
        execution = Parked
     :: execution != Parked
     fi
  :: times == 0 -> break
  od
}

init {
  byte i;
  atomic {
    do
    :: i < RINGERS -> run Ringer(); i++
    :: else -> break
    od;
    run Actor()
  }
}
