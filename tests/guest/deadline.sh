#!/usr/bin/env bash
# deadline.sh MUSTER TIMER_IMAGE
#
# Where `muster doctor` says that guests are offered TSC-deadline mode, the timer guest passes in it.
set -eu
muster=$1 image=$2

skip() { echo "skipped: $*"; exit 77; }
[ -x "$muster" ] || skip "there is no $muster"
doctor=$("$muster" doctor --json) || skip "no usable KVM"
found=$(grep -A 3 '"id": "tsc-deadline"' <<<"$doctor") || { echo "FAIL: doctor does not say"; exit 1; }
grep -q '"value": "yes"' <<<"$found" || skip "TSC-deadline mode is not offered here: $found"
status=0
"$muster" run "$image" --cpus 4 --cmdline deadline --timeout 120s </dev/null || status=$?
[ $status = 0 ] || { echo "FAIL: ended with $status"; exit 1; }
