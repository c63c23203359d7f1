/* A run of the real code, as a path of the rendezvous' model: core.pml, in which a thread steps only
 * where the run says that it did, and what it marks has to be what the run says. Each thread of the
 * run is a process; what it does next, and for whom, is read off the run, the model decides what
 * comes of it. The run is accepted if the search gets to its end.
 *
 * trace.py writes the run to the file `run`, one mark a line: thread, mark, five values. A mark is a
 * number, MARK_Name.
 */

#define OUTSIDE (MARKING_THREADS - CPUS)

#define MARK(name, ...) MARK_IS(MARK_##name, __VA_ARGS__, 0, 0, 0, 0, 0)
#define MARK_IS(what, a, b, c, d, e, ...)                                                \
  if                                                                                     \
  :: next_what == what && next_who == me && next[0] == (a) && next[1] == (b) &&          \
     next[2] == (c) && next[3] == (d) && next[4] == (e) -> c_code { Advance(); }         \
  :: else -> astray = true                                                               \
  fi;
#define MARKED (!astray && next_who == me)
#define IS_NEXT(name) (MARKED && next_what == MARK_##name)
/* A thread that sleeps may wake for no reason, and finds none. */
#define OR_WOKEN_FOR_NOTHING \
  :: atomic { IS_NEXT(Waits) && sleeping[me] -> MARK(Waits, 0) }

#define NOTIFY(c) skip
#define TRY_BORROW(c, got)          \
  if                                \
  :: IS_NEXT(Borrow) -> got = true  \
  :: else                           \
  fi
#define GIVE_BACK(c) skip
#define GRANTED(t) skip

bool stops[MARKING_THREADS]; /* has yet to release what it stopped, or wanted to */
bool astray;
int position;
/* The mark at `position`. */
byte next_who, next_what;
byte next[5];

#include "core.pml"

c_code {
  static unsigned char (*recorded)[7];
  static int length, farthest;

  static void Say(void) { printf("farthest %d of %d\n", farthest, length); }

  static void Load(void) {
    int i;
    if (now.position > farthest) farthest = now.position;
    now.next_who = recorded[now.position][0];
    now.next_what = recorded[now.position][1];
    for (i = 0; i < 5; i++) now.next[i] = recorded[now.position][2 + i];
  }

  /* A deadline that passes is nobody's step: it is past from there on. */
  static void Advance(void) {
    now.position++;
    for (Load(); now.next_what == MARK_Late; Load()) {
      now.late[now.next_who] = 1;
      now.position++;
    }
  }

  static void ReadRun(void) {
    FILE *file = fopen("run", "r");
    int value, i = 0, room = 0;
    while (file && fscanf(file, "%d", &value) == 1) {
      if (i / 7 == room) recorded = realloc(recorded, (room += 4096) * sizeof *recorded);
      recorded[i / 7][i % 7] = value;
      i++;
    }
    if (i == 0 || i % 7 != 0) exit(3);
    length = i / 7 - 1; /* the last is MARK_End */
    atexit(Say);
    now.position = -1;
    Advance();
  }
}

proctype Thread(byte me) {
  LOCALS;
end:
  do
  :: atomic {
       IS_NEXT(Queue) ->
       targets[me] = next[0];
       is_stop[me] = next[1];
       anywhere[me] = next[2];
       through[me] = next[3];
       may_be_late[me] = next[4];
       late[me] = false;
       stops[me] = stops[me] || is_stop[me]
     }
     Perform(me)
  :: ServeIf(IS_NEXT(ClearHint), me)
  :: atomic { IS_NEXT(Join) -> cpu = next[0]; Join(cpu); cpu = 0 }
  :: atomic { IS_NEXT(Leave) -> cpu = next[0]; Leave(cpu); cpu = 0 }
  :: atomic {
       IS_NEXT(Release) && stops[me] ->
       stops[me] = false;
       if
       :: wanted[me] != 0 -> Release(me)
       :: else -> MARK(Release, held, standstills) WakeNextTurn() /* it did not have its turn */
       fi
     }
  :: atomic { IS_NEXT(Pending) -> cpu = next[0]; MARK(Pending, cpu, pending[cpu]) cpu = 0 }
  od
}

init {
  byte thread;
  atomic {
    c_code { ReadRun(); };
    do
    :: thread < MARKING_THREADS -> run Thread(thread); thread++
    :: else -> break
    od
  }
end:
  next_what == MARK_End && !astray;
  assert(next_what != MARK_End) /* the run is accepted */
}
