#!/usr/bin/env bash
# own_scenario.sh SOURCE_DIR C_COMPILER MUSTER
#
# A protocol of one's own, as docs/guests.md has it: built outside the tree, its bug reproduced and
# its fix seen to hold.
set -eu
source_dir=$1 compiler=$2 muster=$3
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

fail() { cat "$dir/err"; echo "FAIL: $*" >&2; exit 1; }

cp "$source_dir"/guest/example_scenario/* "$dir"
cmake -G Ninja -S "$dir" -B "$dir/build" -DMUSTER="$source_dir" -DCMAKE_C_COMPILER="$compiler" \
  >"$dir/err" && cmake --build "$dir/build" >"$dir/err" 2>&1 || fail "it does not build"

# stress STATUS OPTION...
stress() {
  local want=$1 status=0
  shift
  "$muster" stress "$dir/build/guests/lost" --script "$dir/lost.script" "$@" 2>"$dir/err" || status=$?
  [[ $status != 6 ]] || exit 77
  [[ $status == "$want" ]] || fail "status $status, not $want: $*"
}

stress 0 --signature "$dir/lost.signature" --runs 3
grep -q '/clear-last: failed, as due' "$dir/err" || fail "the bug was not reproduced"
grep -q '/clear-first: survived, as due' "$dir/err" || fail "the fix was not seen to hold"
grep -q 'Who waits for what: none of them can ever go on' "$dir/err" || fail "the failed run is not explained"
grep -Eq '0 +spins +lost.c:31 +GuestMain +done' "$dir/err" || fail "the line that waits is not the guest's"

# A wait that ends a function is that function's all the same.
cat >"$dir/tail.c" <<'C'
#include "runtime/guest.h"
static struct SpinLock a, b;
static atomic_uint in;
static void Both(void) {
  atomic_fetch_add(&in, 1);
  SpinUntil(&in, 2);
}
static void Second(void* unused) {
  (void)unused;
  Lock(&b);
  Both();
  Lock(&a);
}
void GuestMain(void) {
  StartAllCpus();
  Post(1, Second, 0);
  Lock(&a);
  Both();
  Lock(&b);
}
C
echo 'muster_add_guest(tail)' >>"$dir/CMakeLists.txt"
cmake --build "$dir/build" >"$dir/err" 2>&1 || fail "the other guest does not build"
echo 'cpus 2' >"$dir/tail.script"
"$muster" stress "$dir/build/guests/tail" --script "$dir/tail.script" 2>"$dir/err" >/dev/null || true
grep -Eq '0 +spins +tail.c:19 +GuestMain +b.held' "$dir/err" || fail "Lock() has not the line of its caller"
grep -Eq '1 +spins +tail.c:12 +Second +a.held' "$dir/err" || fail "Lock() has not the line of its caller"

# An exception without a handler has its name.
cat >"$dir/undefined.c" <<'C'
#include "runtime/guest.h"
void GuestMain(void) { asm volatile("ud2"); }
C
echo 'muster_add_guest(undefined)' >>"$dir/CMakeLists.txt"
cmake --build "$dir/build" >"$dir/err" 2>&1 || fail "the guest of an exception does not build"
status=0
"$muster" run "$dir/build/guests/undefined" >"$dir/out" 2>"$dir/err" || status=$?
[[ $status == 3 ]] || fail "status $status after an exception"
grep -q '^FAIL.*exception 6 #UD, error code 0x0' "$dir/out" || fail "the exception has not its name: $(cat "$dir/out")"

# Without a signature a lock-up is a failure all the same.
stress 0
# A signature that does not fit is an outcome that is not due.
sed 's/done == 1/done == 2/' "$dir/lost.signature" >"$dir/other.signature"
stress 16 --signature "$dir/other.signature"
grep -q 'other.signature:3: done == 2: it is 0x1' "$dir/err" || fail "it does not say what did not fit"
# Nor does it go on for ever where a gate is never reached.
sed 's/at worked/at worked #9/' "$dir/lost.script" >"$dir/stalls.script"
mv "$dir/stalls.script" "$dir/lost.script"
stress 16 --signature "$dir/lost.signature"
grep -q 'the script stalled: its line 7 waits for cpu 1 at worked #9, which never came; cpu 1 came to ' "$dir/err" ||
  fail "it does not say where the script stalled"
# Mistakes have a file and a line.
for claim in 'cpu 7 halted:there is no CPU 7: the script has 2' \
             "cpu 0 in Nosuch:there is no function 'Nosuch'"; do
  echo "${claim%%:*}" >"$dir/wrong.signature"
  stress 4 --signature "$dir/wrong.signature"
  grep -q "^muster: $dir/wrong.signature:1: ${claim#*:}" "$dir/err" || fail "'$claim' is not said"
done
sed '7s/until cpu 0 at asking/until cpu 0 at askign/' "$dir/lost.script" >"$dir/misspelt.script"
status=0
"$muster" stress "$dir/build/guests/lost" --script "$dir/misspelt.script" >/dev/null 2>"$dir/err" || status=$?
[[ $status == 4 ]] || fail "status $status where a gate is misspelt"
grep -q "^muster: $dir/misspelt.script:7: there is no gate 'askign', in " "$dir/err" || fail "a misspelt gate is not named"
echo 'hold cpu 7 at a until cpu 0 at b' >>"$dir/lost.script"
stress 4 --signature "$dir/lost.signature"
grep -q "^muster: $dir/lost.script:8: '7' is no CPU" "$dir/err" || fail "no file and line"
# Of a guest without gates it shows what happened all the same. (The name of its symbol would do for one.)
printf 'cpus 2\nhold cpu 1 at cpus until cpu 0 at cpus\n' >"$dir/none.script"
status=0
"$muster" stress "$(dirname "$muster")/../guests/hello" --script "$dir/none.script" >/dev/null 2>"$dir/err" ||
  status=$?
[[ $status == 16 ]] || fail "status $status where no gate is reached"
grep -q 'What happened last: no CPU came to a gate' "$dir/err" || fail "what happened is not shown"
grep -q 'SIPI' "$dir/err" || fail "there is no SIPI in it"
