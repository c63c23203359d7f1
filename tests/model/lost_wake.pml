/* The look for lost wakes at a stop: WakeIsLost of src/vcpu/run/sleep.cc with SleepsUnwoken and Park of
 * doorbell.h. One vCPU sleeps; CPUS - 2 threads from outside the run loops ring it, and are counted while
 * they may; one in its run loop does, and is not; one acts for it, as INIT, SIPI and a reroute do, and is
 * counted. One looks, before the targets of its stop are told and when all stand: then no thread is in a
 * run loop. Each access is a step, in program order, as on x86, but for the owner's 0 in asleep_, which
 * its store buffer may have until the claim; parked_at_ is drained by the announcement that follows.
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
 * mutant: M_LOOKS_TOO_EARLY safety
 * mutant: M_RINGS_AFTER_GIVING_BACK safety
 * mutant: M_ACTS_WITHOUT_RING safety
 * mutant: M_RINGS_WITHOUT_WAKE safety
 */

#ifndef CPUS
#define CPUS 3
#endif
#define RINGERS (CPUS - 2)
#define TIMES 2 /* for each, but for those that ring */
#define RINGS 1

mtype = {User, Parked, Borrowed};

mtype execution = User;
bool requests;
byte word, parked_at; /* the wake word */
bool asleep;
byte ringing;
bool could_run; /* by what it has taken in: of who holds the vCPU */
bool all_stand, in_loop;

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
  :: atomic { requests || could_run -> requests = false; could_run = false } /* the guest runs */
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
  byte times = RINGS;
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

/* In its run loop, where it stands when all do. */
proctype Sender() {
  byte times = RINGS;
end:
  do
  :: atomic { times > 0 && !all_stand -> times--; in_loop = true }
     Ring();
     in_loop = false
  od
}

proctype Actor() {
  byte times = TIMES;
  do
  :: times > 0 ->
     times--;
     ringing++;
     if
     :: atomic { execution == Parked -> execution = Borrowed }
        if
        :: requests = false /* takes in the mail */
        :: true
        fi;
        if
        :: could_run = true
        :: true
        fi;
#if !defined(M_ACTS_WITHOUT_RING) && !defined(M_RINGS_AFTER_GIVING_BACK)
        if
        :: could_run -> Ring()
        :: !could_run
        fi;
#endif
        execution = Parked;
#ifdef M_RINGS_AFTER_GIVING_BACK
        Ring()
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
     :: all_stand = false
#ifdef M_LOOKS_TOO_EARLY
     :: all_stand = true
#else
     :: all_stand = true; !in_loop
#endif
     fi;
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
           :: all_stand && ASLEEP && ringing == 0 -> assert(!UNWOKEN(seen))
           :: !(all_stand && ASLEEP && ringing == 0)
           fi
#else
#ifndef M_COUNT_BEFORE_REQUESTS
           count = ringing;
#endif
           if
           :: all_stand && count == 0 -> AccuseIfUnwoken()
           :: !(all_stand && count == 0)
           fi
#endif
        fi;
        execution = Parked
     :: execution != Parked
     fi
  :: times == 0 -> all_stand = false; break
  od
}

init {
  byte i;
  atomic {
    do
    :: i < RINGERS -> run Ringer(); i++
    :: else -> break
    od;
    run Sender();
    run Actor()
  }
}
