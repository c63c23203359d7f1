/* The rendezvous of src/rendezvous, by the names of its functions.
 *
 * A stretch of code under the mutex is one atomic step here. That is exact, since all that is read
 * in one is written under the mutex alone, or has one writer at a time; and it stands for a mutex
 * that is first come, first served: its waiters are enabled whenever it is free, so weak fairness
 * lets each of them in. What the code does without the mutex is a step of its own.
 *
 * A parking spot is a flag: somebody sleeps there, whom Wake lets go. Prepare, the tests and the
 * decision to sleep are in one stretch, so a wake before it is of no consequence. CpuSet is a mask. A clock is not
 * there: a deadline passes by a step of whoever the model lets decide it.
 *
 * MARK names what the code marks there (sync_marks.h), with what it saw; where a recorded run is
 * followed (trace.pml), MARKED lets a thread step only when it is the one that did. Elsewhere both
 * are nothing.
 *
 * The including model defines CPUS, OUTSIDE (threads that are no vCPU, numbered from CPUS),
 * NOTIFY(cpu), TRY_BORROW(cpu, got), GIVE_BACK(cpu); GRANTED(caller), for when a round has ended;
 * and FUNCTION(caller, cpu), if what is called does anything.
 */

#ifndef FUNCTION
#define FUNCTION(t, c) skip
#endif

#ifndef MARK
#define MARK(...)
#define MARKED true
#define OR_WOKEN_FOR_NOTHING
#endif

#define THREADS (CPUS + OUTSIDE)
#define NOBODY 255
#define ALL ((1 << CPUS) - 1)
#define BIT(c) (1 << (c))
#define HAS(set, c) (((set) >> (c)) & 1)
#define ADD(set, c) set = set | BIT(c)
#define REMOVE(set, c) set = set & ~BIT(c)

/* Guarded by the mutex. */
byte joined;
byte waiting;      /* owner waits in the library, and serves when woken */
byte held;
byte holds[CPUS];  /* standstills that hold it */
bool inside[CPUS]; /* the owner is in Serve or in a call */
byte work = NOBODY;
byte requested, running;
byte freed; /* that have been given back by somebody else, and the caller has yet to look at */
byte ran, left, withdrawn, unknown;
byte standstills; /* granted, or being stopped for */
byte queue[THREADS]; /* callers that wait their turn */
byte queued;

/* Not guarded. */
bool pending[CPUS];
bool sleeping[THREADS];

/* A caller's frame: it may be touched while `live`. */
bool live[THREADS];
byte targets[THREADS];
bool anywhere[THREADS];
bool is_stop[THREADS];
bool through[THREADS];
bool may_be_late[THREADS]; /* has a deadline */
bool late[THREADS];        /* which has passed */
byte wanted[THREADS];      /* Hold::wanted */
byte holding[THREADS];     /* Hold::held */

/* For assertions only. */
byte executed[THREADS]; /* for whom the function has run */
byte members;           /* of the round, when it was published */
byte acting;            /* for whom a function runs now */

hidden byte next_, i_, cpu_;

#define IS_VCPU(t) ((t) < CPUS)
#define IS_LATE(t) (may_be_late[t] && late[t])

/* What a thread keeps in registers. */
#define LOCALS byte cpu, whose, elsewhere, again, borrowed; bool part, turn
#define FORGET cpu = 0; whose = 0; part = false; turn = false

/* ---- under the mutex ---- */

#ifdef M_QUEUE_IGNORES_STANDSTILL
#define MAY_HAVE_TURN(t) true
#else
#define MAY_HAVE_TURN(t) (standstills == 0 || through[t])
#endif

inline NextTurn() {
  next_ = NOBODY;
  if
  :: work == NOBODY ->
     i_ = 0;
     do
     :: i_ < queued && !MAY_HAVE_TURN(queue[i_]) -> i_++
     :: i_ < queued && MAY_HAVE_TURN(queue[i_]) -> next_ = queue[i_]; break
     :: else -> break
     od
  :: else
  fi
}

inline LeaveQueue(me) {
  i_ = 0;
  do
  :: queue[i_] != me -> i_++
  :: else -> break
  od;
  queued--;
  do
  :: i_ < queued -> queue[i_] = queue[i_ + 1]; i_++
  :: else -> queue[i_] = 0; break
  od
}

inline WakeNextTurn() {
  NextTurn();
  if
  :: next_ != NOBODY -> sleeping[next_] = false
  :: else
  fi
}

#ifdef M_SET_EQUALITY
/* bhyve's and FreeBSD's: who was asked, without those who have left, is who has done it. */
byte asked;
#define DONE (ran == asked)
#else
#define DONE (requested == 0 && running == 0)
#endif

inline SignalIfDone() {
  if
  :: work != NOBODY && DONE -> sleeping[work] = false
  :: else
  fi
}

#ifdef M_WITHDRAW_RUNNING
/* The deadline is taken to bound the end of functions. */
#define MAY_BE_WITHDRAWN (requested | running)
#else
#define MAY_BE_WITHDRAWN requested
#endif

inline Withdraw(set) {
  MARK(Withdraw, set)
  withdrawn = withdrawn | (set);
#ifdef M_WITHDRAW_RUNNING
  running = running & ~(set);
#endif
  requested = requested & ~(set);
  SignalIfDone()
}

inline Grip(c, owner) {
  ADD(holding[owner], c);
  holds[c]++;
  ADD(held, c)
}

inline FinishPart(c) {
  REMOVE(running, c);
  ADD(ran, c);
  MARK(FinishPart, c, requested, running)
#ifndef M_NOTIFY_THROUGH_FRAME
  SignalIfDone()
#endif
}

/* RunPart up to the function: `part` says that there is one to run, `whose` whose it is. */
inline BeginPart(c) {
  part = false;
  if
#ifdef M_RUN_ON_HINT
  /* The hint is believed: whoever has it set takes part in what is under way. */
  :: work != NOBODY && HAS(members, c) && !is_stop[work] ->
#else
  :: HAS(requested, c) && IS_LATE(work) -> Withdraw(BIT(c))
  :: HAS(requested, c) && !IS_LATE(work) && is_stop[work] ->
     MARK(Claim, c)
     REMOVE(requested, c);
     ADD(running, c);
     Grip(c, work);
     FinishPart(c)
  :: HAS(requested, c) && !IS_LATE(work) && !is_stop[work] ->
#endif
     MARK(Claim, c)
     part = true;
     whose = work;
#ifndef M_CLAIM_WITHOUT_MUTEX
     REMOVE(requested, c);
     ADD(running, c);
#endif
     assert(!HAS(acting, c));
     ADD(acting, c)
  :: else
  fi
}

/* The function, and RunPart after it. That it is one step loses nothing: the later the function
 * touches its caller's frame, the more can have gone wrong before. */
inline EndPart(c) {
#ifdef M_CLAIM_WITHOUT_MUTEX
  REMOVE(requested, c);
  ADD(running, c);
#endif
  assert(live[whose]);              /* the function and its argument are the caller's */
  assert(!HAS(executed[whose], c)); /* at most once */
  assert(HAS(members, c));          /* joined before the call was published */
  ADD(executed[whose], c);
  FUNCTION(whose, c);
  REMOVE(acting, c);
  FinishPart(c);
  part = false
}

#ifdef M_NOTIFY_THROUGH_FRAME
inline Notify(c) {
  if
  :: atomic {
       DONE ->
       assert(live[whose]); /* what it signals is in the caller's frame */
       sleeping[whose] = false
     }
  :: !DONE
  fi
}
#else
#define Notify(c) skip
#endif

/* ---- the target's side ---- */

#ifdef M_CLEAR_HINT_LATE
#define CLEAR_HINT_FIRST(c) skip
#define CLEAR_HINT_LAST(c) pending[c] = false
#else
#define CLEAR_HINT_FIRST(c) pending[c] = false
#define CLEAR_HINT_LAST(c) skip
#endif

/* Serve after its first look, and AwaitRelease. The first turn of the loop enters; between a
 * function and the next turn is the pause of StandAside. */
inline Stay(c) {
  do
  :: atomic {
       MARKED && !part && !sleeping[c] ->
       REMOVE(waiting, c);
       if
       :: !inside[c] && !HAS(joined, c) -> MARK(Serve, c, 0) break
       :: !inside[c] && HAS(joined, c) ->
          MARK(Serve, c, 1)
          inside[c] = true;
#ifdef M_ASSERT_NOT_SPURIOUS
          assert(HAS(requested, c) || HAS(held, c)) /* bhyve's: whoever is here was asked */
#endif
       :: else
       fi;
       BeginPart(c);
       if
       :: !part && !HAS(held, c) -> MARK(Released, c) inside[c] = false; FORGET; break
       :: !part && HAS(held, c) -> MARK(Waits, 0) ADD(waiting, c); sleeping[c] = true
       :: part
       fi
     }
  :: atomic { MARKED && part -> EndPart(c) } Notify(c)
  OR_WOKEN_FOR_NOTHING
  od
}

/* Where `why` is true. */
inline ServeIf(why, c) {
  atomic { why -> CLEAR_HINT_FIRST(c); MARK(ClearHint, c) }
  Stay(c);
  CLEAR_HINT_LAST(c)
}

/* ---- the initiator's side ---- */

/* `again` is whom to try. */
inline Borrow(me) {
  do
  :: atomic { MARKED && again != 0 ->
       cpu = 0;
       do
       :: !HAS(again, cpu) -> cpu++
       :: else -> break
       od;
       REMOVE(again, cpu);
       TRY_BORROW(cpu, turn);
       if
       :: turn -> MARK(Borrow, cpu) ADD(borrowed, cpu); turn = false
       :: else
       fi
     }
  :: again == 0 -> break
  od
}

inline ActFor(me) {
  do
  :: atomic { MARKED && borrowed != 0 ->
       cpu = 0;
       do
       :: !HAS(borrowed, cpu) -> cpu++
       :: else -> break
       od;
       REMOVE(borrowed, cpu);
       BeginPart(cpu);
#ifndef M_NO_HINT_AFTER_BORROW
       if
       :: is_stop[me] -> MARK(SetHint, cpu) pending[cpu] = true
       :: else
       fi
#endif
     }
     if
     :: atomic { MARKED && part -> EndPart(cpu) } Notify(cpu)
     :: !part
     fi;
     GIVE_BACK(cpu)
  :: borrowed == 0 -> break
  od
}

inline AskTargets(me) {
  if
  :: anywhere[me] -> again = elsewhere; Borrow(me); elsewhere = elsewhere & ~borrowed
  :: else
  fi;
  do
  :: atomic { MARKED && elsewhere != 0 ->
       cpu = 0;
       do
       :: !HAS(elsewhere, cpu) -> cpu++
       :: else -> break
       od;
       REMOVE(elsewhere, cpu);
       MARK(SetHint, cpu)
       pending[cpu] = true;
       NOTIFY(cpu);
       if
       :: anywhere[me] -> ADD(again, cpu)
       :: else
       fi
     }
  :: elsewhere == 0 -> break
  od;
#ifdef M_NO_SECOND_LOOK
  again = 0;
#endif
  Borrow(me);
  ActFor(me);
  if
  :: IS_VCPU(me) ->
     atomic { MARKED -> BeginPart(me) }
     if
     :: atomic { MARKED && part -> EndPart(me) } Notify(me)
     :: !part
     fi
  :: else
  fi
}

inline Publish(me) {
  assert(standstills == 0 || through[me]);
  LeaveQueue(me);
  work = me;
  requested = targets[me] & joined;
  unknown = targets[me] & ~joined;
  members = requested;
#ifdef M_SET_EQUALITY
  asked = requested;
#endif
  if
  :: IS_LATE(me) -> MARK(Publish, requested, unknown) Withdraw(requested)
  :: else -> MARK(Publish, requested, unknown) skip
  fi;
  if
  :: is_stop[me] ->
     standstills++;
     wanted[me] = targets[me];
     cpu = 0;
     do
     :: cpu < CPUS ->
        if
        :: HAS(requested & (waiting | held), cpu) -> BeginPart(cpu)
        :: else
        fi;
        cpu++
     :: else -> break
     od
  :: else
  fi;
  /* That the wakes come after the mutex is released changes nothing for those who need it next. */
  cpu = 0;
  do
  :: cpu < CPUS ->
     if
     :: HAS(requested & waiting, cpu) -> sleeping[cpu] = false
     :: else
     fi;
     cpu++
  :: else -> break
  od;
  elsewhere = requested & ~waiting;
  if
  :: IS_VCPU(me) -> elsewhere = elsewhere & ~BIT(me)
  :: else
  fi
}

/* What Perform does last, with the mutex. */
inline Return(me) {
  if
  :: IS_VCPU(me) ->
     inside[me] = false;
     assert(is_stop[me] || through[me] || !HAS(held, me)); /* its caller goes on */
#ifndef M_CALL_LEAVES_HELD
     if
     :: HAS(held, me) -> MARK(SetHint, me) pending[me] = true
     :: else
     fi
#endif
  :: else
  fi;
  MARK(Return, 0)
  live[me] = false;
  executed[me] = 0;
  FORGET
}

inline EndRound(me) {
  MARK(EndRound, ran, left, withdrawn, unknown)
  /* Each target has ended in one way, and those that are said to have run did. */
  assert((ran | left | withdrawn | unknown) == targets[me]);
  assert((ran & (left | withdrawn | unknown)) == 0);
  assert((left & (withdrawn | unknown)) == 0 && (withdrawn & unknown) == 0);
  assert(is_stop[me] || executed[me] == ran);
  GRANTED(me);
  ran = 0;
  left = 0;
  withdrawn = 0;
  unknown = 0;
  members = 0;
  freed = 0;
  work = NOBODY;
  WakeNextTurn()
}

inline GiveUpTurn(me) {
  MARK(GiveUpTurn, 0)
  LeaveQueue(me)
#ifndef M_GIVE_UP_WAKES_NOBODY
  ;
  WakeNextTurn()
#endif
}

/* Execute or Stop, as targets[me] and the rest say. Once in each process, for the label. */
inline Perform(me) {
  atomic {
    if
    :: IS_VCPU(me) && !HAS(joined, me) -> goto refused
    :: else
    fi;
    live[me] = true;
    if
    :: IS_VCPU(me) -> assert(!inside[me]); inside[me] = true
    :: else
    fi;
    queue[queued] = me;
    MARK(Queue, targets[me], is_stop[me], anywhere[me], through[me], may_be_late[me])
    queued++
  }
  /* AwaitTurn */
  do
  :: atomic {
       MARKED && !part && (!sleeping[me] || IS_LATE(me)) ->
       sleeping[me] = false;
       REMOVE(waiting, me);
#ifndef M_WAIT_WITHOUT_SERVING
       if
       :: IS_VCPU(me) -> BeginPart(me)
       :: else
       fi;
#endif
       if
       :: part
       :: else ->
          NextTurn();
          if
          :: IS_VCPU(me) && !HAS(joined, me) -> GiveUpTurn(me); break
          :: else
          fi;
          if
          :: next_ == me -> Publish(me); turn = true; break
          :: next_ != me && IS_LATE(me) -> GiveUpTurn(me); break
          :: else ->
             MARK(Waits, 0)
             sleeping[me] = true;
             if
             :: IS_VCPU(me) -> ADD(waiting, me)
             :: else
             fi
          fi
       fi
     }
  :: atomic { MARKED && part -> EndPart(me) } Notify(me)
  OR_WOKEN_FOR_NOTHING
  od;
  if
  :: atomic { turn -> turn = false }
     AskTargets(me);
     do
     :: atomic {
          MARKED && (!sleeping[me] || (MAY_BE_WITHDRAWN != 0 && IS_LATE(me))) ->
          sleeping[me] = false;
          if
          :: MAY_BE_WITHDRAWN != 0 && IS_LATE(me) -> Withdraw(MAY_BE_WITHDRAWN)
          :: else
          fi;
          if
          :: DONE -> EndRound(me); Return(me); break
          :: !DONE && (freed & requested) != 0 -> again = freed & requested; freed = 0
          :: else -> MARK(Waits, 0) sleeping[me] = true
          fi
        }
        Borrow(me);
        ActFor(me)
     OR_WOKEN_FOR_NOTHING
     od
  :: !turn && IS_VCPU(me) && !through[me] ->
#ifndef M_GIVES_UP_AND_GOES_ON
     Stay(me);
#endif
     atomic { MARKED -> Return(me) }
  :: !turn && !(IS_VCPU(me) && !through[me]) ->
     atomic { MARKED -> Return(me) }
  fi;
refused:
  skip
}

/* ---- the others ---- */

inline Freed(c) {
  if
  :: HAS(requested, c) && anywhere[work] -> MARK(Freed, c) ADD(freed, c); sleeping[work] = false
  :: else
  fi
}

/* ---- joining and leaving ---- */

inline Leave(c) {
  if
  :: HAS(joined, c) ->
     REMOVE(joined, c);
#ifdef M_SET_EQUALITY
     REMOVE(asked, c);
#endif
#ifndef M_LEAVER_IS_ASKED
     if
     :: HAS(requested, c) -> REMOVE(requested, c); ADD(left, c); SignalIfDone()
     :: else
     fi;
#endif
     i_ = 0;
     do
     :: i_ < THREADS -> REMOVE(holding[i_], c); i_++
     :: else -> break
     od;
#ifndef M_LEAVER_STAYS_HELD
     holds[c] = 0;
     REMOVE(held, c);
#endif
#ifndef M_LEAVER_SLEEPS_ON
     if
     :: HAS(waiting, c) -> sleeping[c] = false
     :: else
     fi;
#endif
     MARK(Leave, c, requested, held)
  :: else
  fi
}

inline Join(c) {
  if
  :: !HAS(joined, c) && !inside[c] ->
     ADD(joined, c);
#ifndef M_JOIN_RUNS
     i_ = 0;
     do
     :: i_ < THREADS ->
        if
        :: HAS(wanted[i_], c) -> Grip(c, i_)
        :: else
        fi;
        i_++
     :: else -> break
     od;
     MARK(Join, c, HAS(held, c))
     if
     :: HAS(held, c) -> MARK(SetHint, c) pending[c] = true
     :: else
     fi
#endif
  :: else
  fi
}

/* Of the standstill of `owner`. */
inline Release(owner) {
  standstills--;
  wanted[owner] = 0;
  i_ = 0;
  do
  :: i_ < CPUS ->
     if
     :: HAS(holding[owner], i_) ->
#ifdef M_RELEASE_WITHOUT_COUNT
        holds[i_] = 0;
#else
        holds[i_]--;
#endif
        if
        :: holds[i_] == 0 ->
           REMOVE(held, i_);
           if
           :: HAS(waiting, i_) -> sleeping[i_] = false
           :: else
           fi
        :: else
        fi
     :: else
     fi;
     i_++
  :: else -> break
  od;
  holding[owner] = 0;
  MARK(Release, held, standstills)
#ifndef M_RELEASE_WAKES_NOBODY
  WakeNextTurn()
#else
  skip
#endif
}
