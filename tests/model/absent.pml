/* vCPUs that sleep and whose owner's thread is not inside Run, as VmCore::GiveBack and the end of
 * VcpuCore::WhileLocked have them: a caller acts for them, but others have their run lock for a while.
 * One looks at each; each one's owner comes inside and goes again, with or without serving.
 *
 * Who could not be borrowed when it was asked does not come by itself: the call returns all the same.
 *
 * check: safety
 * check: liveness
 * mutant: M_NO_SECOND_LOOK safety
 * mutant: M_LOOKER_TELLS_NOBODY safety
 * mutant: M_OWNER_TELLS_NOBODY safety
 * mutant: M_OWNER_TELLS_NOBODY liveness
 */

#ifndef CPUS
#define CPUS 3
#endif
#define OUTSIDE 2

#define FREE 0
#define USER 1
#define BORROWED 2

byte execution[CPUS];
bool asked[CPUS]; /* kRequestMeet */

#define NOTIFY(c) asked[c] = true
#define TRY_BORROW(c, got)                                   \
  if                                                         \
  :: execution[c] == FREE -> execution[c] = BORROWED; got = true \
  :: else                                                    \
  fi
/* The caller's own: what it gives back is asked for no more. */
#define GIVE_BACK(c) execution[c] = FREE
#define GRANTED(t) skip

#include "core.pml"

#define TELL(c)                        \
  if                                   \
  :: atomic { asked[c] -> Freed(c) }   \
  :: !asked[c]                         \
  fi

proctype Owner(byte me) {
  LOCALS;
  atomic { execution[me] == FREE -> execution[me] = USER }
  if
  :: atomic { asked[me] -> asked[me] = false } ServeIf(true, me)
  :: true /* it came to send something, say */
  fi;
  execution[me] = FREE;
#ifndef M_OWNER_TELLS_NOBODY
  TELL(me)
#endif
}

proctype Looker(byte c) {
  if
  :: atomic { execution[c] == FREE -> execution[c] = BORROWED }
     execution[c] = FREE;
#ifndef M_LOOKER_TELLS_NOBODY
     TELL(c)
#endif
  :: execution[c] != FREE
  fi
}

proctype Outside(byte me) {
  LOCALS;
  Perform(me);
  if
  :: is_stop[me] -> atomic { Release(me) }
  :: else
  fi
}

init {
  atomic {
    joined = ALL;
    targets[CPUS] = ALL & ~BIT(0);
    anywhere[CPUS] = true;
    is_stop[CPUS + 1] = true;
    targets[CPUS + 1] = BIT(1);
    anywhere[CPUS + 1] = true;
    cpu_ = 1;
    do
    :: cpu_ < CPUS ->
       run Owner(cpu_);
#if CPUS == 3
       run Looker(cpu_);
#endif
       cpu_++
    :: else -> break
    od;
#if CPUS > 3
    /* One looks, at any of them: else the states do not fit in memory. */
    if
    :: cpu_ = 1
    :: cpu_ = 2
    :: cpu_ = 3
    fi;
    run Looker(cpu_);
#endif
    run Outside(CPUS);
    run Outside(CPUS + 1)
  }
}

ltl returns { []<>!live[CPUS] && []<>!live[CPUS + 1] }
