#!/usr/bin/env bash
# memory.sh MUSTER HELLO_IMAGE
#
# A guest without memory for its CPUs' stacks says how much it needs, and has enough with that.
set -eu
muster=$1 image=$2
output=$(mktemp)
trap 'rm -f "$output"' EXIT

# ends_with STATUS CPUS MEMORY
ends_with() {
  local status=0
  "$muster" run "$image" --cpus "$2" --memory "$3" --timeout 60s >"$output" </dev/null || status=$?
  [ $status != 6 ] || { echo "skipped: no usable KVM"; exit 77; }
  [ $status = "$1" ] && return
  cat "$output"
  echo "FAIL: --cpus $2 --memory $3 ended with $status, not $1"
  exit 1
}

[ -x "$muster" ] || { echo "skipped: there is no $muster"; exit 77; }
ends_with 3 2 16M
grep -q '2 CPUs need 17 MiB of memory; there are 16$' "$output" || { cat "$output"; exit 1; }
ends_with 0 2 17M
ends_with 0 1 16M
ends_with 3 200 17M
grep -q '200 CPUs need 18 MiB of memory; there are 17$' "$output" || { cat "$output"; exit 1; }
