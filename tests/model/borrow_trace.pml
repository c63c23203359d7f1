/* A run of the real doorbell of a vCPU that sleeps, as a path of borrow.pml: as kick_trace.pml.
 */

#include "path.pml"

#define MARK(who, name, value) MARK_IS(who, MARK_##name, value, 0, 0, 0, 0, 0)
#define ON_THE_PATH provided (on && !astray)
#define FOLLOWED

bool on; /* the run has been read */

#include "borrow.pml"

init {
  byte i;
  atomic {
    c_code { ReadRun(); };
    on = true;
    Begin()
  }
  ACCEPT
}
