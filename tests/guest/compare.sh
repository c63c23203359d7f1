#!/usr/bin/env bash
# compare.sh MUSTER IMAGE CPUS CACHE
#
# What a guest says on Muster has to be what it says on QEMU, as a set of lines, and both runs have
# to end as passed. QEMU's lines are kept in directory CACHE until the image changes.
set -eu
muster=$1 image=$2 cpus=$3 cache=$4
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

skip() { echo "skipped: $*"; exit 77; }
[ -x "$muster" ] || skip "there is no $muster"
command -v qemu-system-x86_64 >/dev/null || skip "qemu-system-x86_64 is not here"

status=0
"$muster" run "$image" --cpus "$cpus" --timeout 120s \
  >"$dir/muster" 2>"$dir/report" </dev/null || status=$?
[ $status != 6 ] || skip "no usable KVM: $(head -1 "$dir/report")"
if [ $status != 0 ]; then
  cat "$dir/muster" "$dir/report"
  echo "FAIL: on Muster it ended with $status"
  exit 1
fi

kept=$cache/${image##*/}.$cpus
if [ "$image" -nt "$kept" ]; then
  # Its INIT takes effect when the CPU's thread next looks: on a busy machine that may be after the
  # SIPI, which is lost then. Another time.
  for attempt in 1 2 3; do
    status=0
    timeout 60 qemu-system-x86_64 -accel tcg -smp "$cpus" -kernel "$image" \
      -display none -serial stdio -no-reboot -device isa-debug-exit,iobase=0xf4,iosize=4 \
      -device pc-testdev >"$dir/qemu" 2>"$dir/report" </dev/null || status=$?
    [ $status = 124 ] || break
    echo "attempt $attempt: QEMU had not ended after 60 s"
  done
  if [ $status != 0 ]; then
    cat "$dir/qemu" "$dir/report"
    echo "FAIL: on QEMU it ended with $status"
    exit 1
  fi
  mkdir -p "$cache"
  sort "$dir/qemu" >"$dir/qemu.sorted"
  mv "$dir/qemu.sorted" "$kept"
fi

sort "$dir/muster" >"$dir/muster.sorted"
diff -u --label qemu --label muster "$kept" "$dir/muster.sorted" ||
  { echo "FAIL: they differ"; exit 1; }
echo "$(wc -l <"$kept") lines alike"
