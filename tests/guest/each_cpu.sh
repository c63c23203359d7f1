#!/usr/bin/env bash
# each_cpu.sh MUSTER HELLO CPUS
#
# hello has one line of each CPU, in the mode in which firmware leaves that many: x2APIC where an id
# does not fit into 8 bits, of which 255 is everybody.
set -eu
muster=$1 image=$2 cpus=$3
mode=xapic
((cpus <= 255)) || mode=x2apic

[ -x "$muster" ] || { echo "skipped: there is no $muster"; exit 77; }
status=0
said=$("$muster" run "$image" --cpus "$cpus" --timeout 120s </dev/null) || status=$?
[ $status != 6 ] || { echo "skipped: no usable KVM"; exit 77; }
[ $status = 0 ] || { echo "$said"; echo "FAIL: ended with $status"; exit 1; }
diff -u --label due --label said \
  <(for ((cpu = 0; cpu < cpus; ++cpu)); do echo "cpu $cpu up, apic id $cpu, $mode"; done) \
  <(sort -n -k2 <<<"$said") || { echo "FAIL: not what is due"; exit 1; }
