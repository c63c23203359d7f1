#!/usr/bin/env bash
# run.sh MUSTER IMAGE CPUS EXPECTED
#
# A foreign image has to print just what EXPECTED holds, and to end with exit code 1: they write 0
# to the debug-exit port.
set -eu
muster=$1 image=$2 cpus=$3 expected=$4
report=$(mktemp)
trap 'rm -f "$report"' EXIT

[ -x "$muster" ] || { echo "skipped: there is no $muster"; exit 77; }
status=0
output=$("$muster" run "$image" --cpus "$cpus" --timeout 60s 2>"$report" </dev/null) || status=$?
[ $status != 6 ] || { echo "skipped: no usable KVM: $(head -1 "$report")"; exit 77; }
if ! diff -u --label expected --label printed "$expected" - <<<"$output" || [ $status != 1 ]; then
  cat "$report"
  echo "FAIL: ended with $status"
  exit 1
fi
