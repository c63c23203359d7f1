#!/bin/sh
# build.sh CMAKE SOURCES TREE BUILT CC CXX SANITIZER: builds SOURCES/project against TREE in BUILT.
# And, without SANITIZER, SOURCES/c_alone.
set -eu
cmake=$1 sources=$2 tree=$3 built=$4 cc=$5 cxx=$6 sanitizer=$7
root=$(cd "$sources/../.." && pwd)
mkdir -p "$built"
awk '/^```cpp$/ { inside = 1; next } /^```$/ { inside = 0 } inside' "$root/docs/embedding.md" >"$built/doc_vmm.new"
cmp -s "$built/doc_vmm.new" "$built/doc_vmm.cc" || cp "$built/doc_vmm.new" "$built/doc_vmm.cc"
lines=$(wc -l <"$built/doc_vmm.cc")
if [ "$lines" -lt 50 ] || [ "$lines" -ge 150 ]; then
  echo "docs/embedding.md: the VMM has $lines lines; it is to be whole, in under 150" >&2
  exit 1
fi
flags=
[ -z "$sanitizer" ] || flags="-fsanitize=$sanitizer -fno-omit-frame-pointer"
command -v ninja >/dev/null && generator=Ninja || generator="Unix Makefiles"
"$cmake" -G "$generator" -S "$sources/project" -B "$built" -DCMAKE_PREFIX_PATH="$tree" \
  -DCMAKE_C_COMPILER="$cc" -DCMAKE_CXX_COMPILER="$cxx" -DCMAKE_C_FLAGS="$flags" -DCMAKE_CXX_FLAGS="$flags" \
  -DDOC_VMM="$built/doc_vmm.cc" -DGUESTS="$root/guest" >"$built/configure.log" 2>&1 ||
  { cat "$built/configure.log"; exit 1; }
"$cmake" --build "$built" -j 2
[ -z "$sanitizer" ] || exit 0
"$cmake" -G "$generator" -S "$sources/c_alone" -B "$built/c_alone" -DCMAKE_PREFIX_PATH="$tree" \
  -DCMAKE_C_COMPILER="$cc" >"$built/configure.log" 2>&1 || { cat "$built/configure.log"; exit 1; }
"$cmake" --build "$built/c_alone"
