#!/usr/bin/env bash
# own_guest.sh SOURCE_DIR C_COMPILER
#
# Builds guest/example outside the tree, in a project whose own flags would break any guest, and
# looks at the image; runs it where QEMU is there.
set -eu
source_dir=$1
compiler=$2
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

fail() { echo "FAIL: $*" >&2; exit 1; }

cp "$source_dir"/guest/example/* "$dir"
cmake -G Ninja -S "$dir" -B "$dir/build" -DMUSTER="$source_dir" -DCMAKE_C_COMPILER="$compiler" \
  -DCMAKE_BUILD_TYPE=Debug -DCMAKE_C_FLAGS="--coverage -fsanitize=address -mavx2" >"$dir/log" ||
  { cat "$dir/log"; fail "configure"; }
cmake --build "$dir/build" >"$dir/log" 2>&1 || { cat "$dir/log"; fail "build"; }

! grep -q 'note: unrecognized' "$dir/log" || { cat "$dir/log"; fail "a flag that $compiler does not know"; }

image=$dir/build/guests/count
readelf -h "$image" | grep -q 'ELF32' || fail "the image is not ELF32: Multiboot loaders refuse it"
readelf -h "$image" | grep -q 'Intel 80386' || fail "the image's machine is not i386"
readelf -p .note.muster "$image" | grep -q 'CPUs count together, under a lock' ||
  fail "the description is not in .note.muster"
readelf -sW "$image" | grep -q ' GuestMain$' || fail "no symbols"
readelf --debug-dump=decodedline "$image" 2>/dev/null | grep -q '^count.c' || fail "no line numbers"

command -v qemu-system-x86_64 >/dev/null || { echo "qemu-system-x86_64 is not here: built, not run"; exit 0; }
status=0
output=$(timeout 60 qemu-system-x86_64 -accel tcg -smp 3 -kernel "$image" -append "times=7" \
  -display none -serial stdio -no-reboot -device isa-debug-exit,iobase=0xf4,iosize=4 </dev/null) ||
  status=$?
[ "$output" = "3 cpus counted to 21" ] || fail "QEMU printed: $output"
[ $status = 0 ] || fail "QEMU ended with $status"
