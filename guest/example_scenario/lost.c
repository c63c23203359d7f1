#include "runtime/guest.h"

static atomic_uint tickets;  // 1: there is something to do
static atomic_uint done;

// CPU 1 does what it is asked to, and forgets the request after it has done it.
static void Worker(void* unused) {
  (void)unused;
  const bool fixed = CommandLineHas("variant=clear-first");
  for (int i = 0; i < 2; ++i) {
    SpinUntil(&tickets, 1);
    if (fixed) atomic_store(&tickets, 0);
    GATE("asked");
    atomic_fetch_add(&done, 1);
    GATE("worked");
    if (!fixed) atomic_store(&tickets, 0);
  }
}

static void Ask(void) {
  atomic_store(&tickets, 1);
  GATE("asking");
}

void GuestMain(void) {
  StartAllCpus();
  Post(1, Worker, NULL);
  Ask();
  SpinUntil(&done, 1);
  Ask();  // the first request is done, so here is the next
  SpinUntil(&done, 2);
  Join(1);
}
