/* A run of the real code, as a path of a model: what a thread of the model marks has to be what the
 * run says comes next, else it is astray, and goes no further. The run is accepted if the search gets
 * to its end.
 *
 * trace.py writes the run to the file `run`, one mark a line: thread, mark, five values. A mark is a
 * number, MARK_Name.
 */

#define MARK_IS(who, what, a, b, c, d, e, ...)                                           \
  if                                                                                     \
  :: next_what == what && next_who == (who) && next[0] == (a) && next[1] == (b) &&       \
     next[2] == (c) && next[3] == (d) && next[4] == (e) -> c_code { Advance(); }         \
  :: else -> astray = true                                                               \
  fi

bool astray;
int position;
/* The mark at `position`. */
byte next_who, next_what;
byte next[5];

#define ACCEPT                                                     \
end:                                                               \
  next_what == MARK_End && !astray;                                \
  assert(next_what != MARK_End) /* the run is accepted */

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

  /* A deadline of the rendezvous' that passes is nobody's step: it is past from there on. */
  static void Advance(void) {
    now.position++;
    Load();
#ifdef MARK_Late
    for (; now.next_what == MARK_Late; Load()) {
      now.late[now.next_who] = 1;
      now.position++;
    }
#endif
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

