#!/usr/bin/env bash
# instructions.sh IMAGE...
#
# Finds instructions that a KVM which emulates guest code can not execute.
set -eu
refused='%[xyz]mm|%mm[0-7]|%st|\b(popcnt|lzcnt|tzcnt|rdtscp|cmpxchg16b|crc32[bwlq]?|int|int3|fwait|emms|xgetbv|xsave[a-z]*|monitor|mwait|endbr64)\b'
fail() { echo "FAIL: $*" >&2; exit 1; }

(($#)) || fail "no image is named"
found=0
for image in "$@"; do
  # The image calls itself i386; its code is 64-bit, but for the few lines that lead there. Taken for
  # 64-bit code they are anything at all, by where they lie.
  code=$(objdump -d -j .text -m i386:x86-64 "$image") || fail "$image cannot be disassembled"
  code=$(awk '/^[0-9a-f]+ <.*>:$/ { other = $2 ~ /<(_start|ApStart32|EnterLongMode|trampoline)>/ } !other' <<<"$code")
  instructions=$(cut -s -f3- <<<"$code")
  [[ $instructions == *wrmsr* ]] || fail "$image: this is not a guest's code"
  if grep -nE "$refused" <<<"$instructions"; then
    echo "FAIL: $image holds the instructions above" >&2
    found=1
  fi
done
exit $found
