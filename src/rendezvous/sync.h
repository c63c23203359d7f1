#pragma once

// The sync seam. Every mutex, atomic, fence, sleep, look at the clock and piece of per-thread state
// of the rendezvous and vcpu layers goes through namespace muster::sync, and through nothing else.
// A target that defines MUSTER_SYNC_MODEL as the name of another header, which declares the same
// names, compiles the same sources against it: a scheduler that chooses every switch, for one.

#ifdef MUSTER_SYNC_MODEL
#include MUSTER_SYNC_MODEL
#else
#include <muster/rendezvous/sync_native.h>
#endif

#ifdef MUSTER_SYNC_MARKS
#include MUSTER_SYNC_MARKS
#else
#include <muster/rendezvous/sync_marks.h>
#endif
