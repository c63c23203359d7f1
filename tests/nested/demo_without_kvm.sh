#!/usr/bin/env bash
# demo_without_kvm.sh REPOSITORY
#
# The whole demo where there is no /dev/kvm: it says so in one line, and shows the same guest on an
# emulated machine. Root tries it as an ordinary user too.
set -eu
. "$(dirname "$0")/without_kvm.sh"

# demo [COMMAND THAT RUNS ANOTHER...]
demo() {
  local status=0
  "$@" "$repository/dev" demo >"$dir/out" 2>"$dir/err" </dev/null || status=$?
  cat "$dir/out" "$dir/err"
  ! grep -q 'is missing\|cannot fetch' "$dir/err" || { tail -1 "$dir/err"; exit 77; }
  [[ $status == 0 ]] || fail "the demo ended with $status"
  [[ $(grep -c '^dev: there is no /dev/kvm' "$dir/err") == 1 ]] || fail "it does not say why, once"
  for cpu in 0 1 2 3; do
    grep -q "^cpu $cpu " "$dir/out" || fail "CPU $cpu did not report"
  done
  for verdict in 2011:\ failed generation:\ survived waiters3:\ prevented; do
    grep -q "^rv-exit-reset/$verdict, as due" "$dir/out" "$dir/err" || fail "not $verdict"
  done
}

demo "${as_started[@]}"
as_ordinary_user "$dir/home" demo || exit 0
