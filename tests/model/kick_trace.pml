/* A run of the real doorbell, as a path of the kick's model: kick.pml, in which nobody goes on who
 * has marked what the run does not say. What the model leaves open, the run decides.
 */

#include "path.pml"

#define MARK(who, name, value) MARK_IS(who, MARK_##name, value, 0, 0, 0, 0, 0)
#define ON_THE_PATH provided (on && !astray)
#define FOLLOWED

bool on; /* the run has been read */

#include "kick.pml"

init {
  byte i;
  atomic {
    c_code { ReadRun(); };
    on = true;
    do
    :: i < RINGERS -> run Ringer(i); i++
    :: else -> break
    od
  }
  ACCEPT
}
