#!/usr/bin/env bash
# passes.sh MUSTER IMAGE CPUS [COMMAND LINE]
#
# A guest has to pass on Muster, with settings that QEMU's own emulation lacks.
set -eu
muster=$1 image=$2 cpus=$3 command_line=${4-}

[ -x "$muster" ] || { echo "skipped: there is no $muster"; exit 77; }
status=0
"$muster" run "$image" --cpus "$cpus" --cmdline "$command_line" --timeout 120s </dev/null || status=$?
[ $status != 6 ] || { echo "skipped: no usable KVM"; exit 77; }
[ $status = 0 ] || { echo "FAIL: ended with $status"; exit 1; }
