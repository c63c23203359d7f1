/* A run of the real doorbell, with stays in Run of two threads, as a path of kick_stays.pml: as
 * kick_trace.pml.
 */

#include "path.pml"

#define MARK(who, name, value) MARK_IS(who, MARK_##name, value, 0, 0, 0, 0, 0)
#define ON_THE_PATH provided (on && !astray)
#define FOLLOWED

bool on; /* the run has been read */

#include "kick_stays.pml"

init {
  byte i;
  atomic {
    c_code { ReadRun(); };
    on = true;
    Begin()
  }
  ACCEPT
}
