#pragma once

// The sync seam. Every mutex, atomic, fence, sleep and look at the clock of the rendezvous and vcpu
// layers goes through namespace muster::sync, and through nothing else; so does what one thread
// tells of itself to others. (A thread_local elsewhere is its own thread's alone.)
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
