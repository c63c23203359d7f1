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
 * check: safety
 * check: liveness
 * mutant: M_CLAIM_DOES_NOT_WAIT safety
 * mutant: M_THREAD_BEFORE_WAIT safety
 * mutant: M_RELEASE_DOES_NOT_WAIT safety
 * mutant: M_RINGS_WITHOUT_END liveness
 */

#ifndef CPUS
#define CPUS 3
#endif
#define RINGERS (CPUS - 1)
#define STAYS 2 /* of each owner */
#if defined(LIVENESS) || CPUS > 3
#define MORE_RINGS false /* for want of time */
#else
#define MORE_RINGS true
#endif

mtype = {Free, User, Guest};

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

/* Who finds the other inside is refused, and comes again. */
proctype Owner(byte me) {
  byte stays = STAYS;
  bool kicked;
end:
  do
  :: atomic { stays > 0 && execution == Free -> execution = User; in_run[me] = true }
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
     :: execution = Guest;
        if
        :: atomic { !request && immediate_exit } /* KVM_RUN returns at once */
        :: atomic { !request && !immediate_exit }
end_guest:
           if
           :: signal[me] -> kicked = true
           :: true /* an exit of its own */
           fi
        :: atomic { request -> execution = User; request = false } goto again
        fi;
        execution = User;
        atomic { kicked = kicked || immediate_exit; immediate_exit = 0 }
        if
        :: atomic { kicked -> signal[me] = false; kicked = false }
        :: !kicked
        fi;
again:
        skip
     :: break
     od;
     /* Release */
     atomic { execution = Free; leaving[me] = true }
#ifndef M_RELEASE_DOES_NOT_WAIT
     kickers == 0;
#endif
     atomic {
       leaving[me] = false;
       if
       :: kicks[me] -> signal[me] = false
       :: !kicks[me]
       fi;
       assert(!signal[me]);
       in_run[me] = false;
       kicks[me] = false;
#ifndef M_RINGS_WITHOUT_END
       stays--
#endif
     }
  od
}

proctype Ringer(byte rings) {
  byte whom;
end:
  do
  :: rings > 0 ->
#ifndef M_RINGS_WITHOUT_END
     rings--;
#endif
     request = true;
     if
     :: execution == Guest ->
        /* Kick */
        kickers++;
        if
        :: execution == Guest ->
           if
           :: atomic { !immediate_exit -> immediate_exit = 1 }
              atomic { kicks[0] = true; kicks[1] = true }
              whom = thread;
              atomic { assert(in_run[whom]); signal[whom] = true; whom = 0 }
           :: immediate_exit
           fi
        :: execution != Guest
        fi;
        kickers--
     :: execution != Guest
     fi
  od
}

init {
  byte i;
  atomic {
    run Owner(0);
    run Owner(1);
    do
    :: i < RINGERS -> run Ringer((i == 0 && MORE_RINGS -> 2 : 1)); i++
    :: else -> break
    od
  }
}

#ifndef LIVENESS
active proctype Watch() {
  timeout -> assert(!(execution == Guest && request))
}
#endif

ltl leaves { []<>!leaving[0] && []<>!leaving[1] }
