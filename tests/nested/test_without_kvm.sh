#!/usr/bin/env bash
# test_without_kvm.sh REPOSITORY BUILD
#
# `./dev test` where there is no /dev/kvm: it says so in one line, what needs KVM is skipped here, with
# the reason, and runs on the emulated machine. Root tries it as an ordinary user too.
#
# A handful of tests, in a tree that is this one but for a build directory of its own: BUILD is in use
# by the ctest that runs this. What has been built is there, so cmake finds nothing to do.
set -eu
. "$(dirname "$0")/without_kvm.sh"
build=$1
mkdir "$dir/bin"
printf '#!/bin/sh\n' >"$dir/bin/cmake"
chmod +x "$dir/bin/cmake"

# copy_of_tree TREE: with the tests' list, and a session of its own for the emulated machine.
copy_of_tree() {
  local tree=$1 file
  mkdir -p "$tree/build/release"
  for file in "$repository"/* "$repository"/.[a-z]*; do
    [[ ${file##*/} == build ]] || ln -s "$file" "$tree/"
  done
  (cd "$build" && find . -name '*.cmake' -not -path './CMakeFiles/*' \
    \( -name CTestTestfile.cmake -o -name '*.tests.cmake' -o -name '*.include.cmake' \) -print0) |
    while IFS= read -r -d '' file; do
      mkdir -p "$tree/build/release/$(dirname "$file")"
      sed -e "s|$build/nested\([]\" ]\)|$tree/build/release/nested\1|g" \
        -e "s|\"$build/\([^\"]*\)[.]cmake\"|\"$tree/build/release/\1.cmake\"|g" \
        "$build/$file" >"$tree/build/release/$file"
    done
}

# some_tests TREE [COMMAND THAT RUNS ANOTHER...]
some_tests() {
  local tree=$1 status=0
  shift
  local unit='vcpu_test: mail comes out highest vector first, once'
  local kvm='muster_vcpu_kvm_test: real-mode code writes a port and halts'
  "$@" "$tree/dev" test -V -R "^($unit|$kvm|nested: $kvm)\$" >"$dir/out" 2>"$dir/err" </dev/null ||
    status=$?
  cat "$dir/out" "$dir/err"
  [[ $(grep -c '^dev: there is no /dev/kvm' "$dir/err") == 1 ]] || fail "it does not say why, once"
  [[ $status == 0 ]] || fail "the tests ended with $status"
  grep -q "nested: $kvm .*Skipped" "$dir/out" && { grep 'skipped: ' "$dir/out"; exit 77; }
  grep -q " $unit .*Passed" "$dir/out" || fail "the unit test has not passed"
  grep -q "[0-9]: $kvm .*Skipped\| $kvm \.*\*\*\*Skipped" "$dir/out" || fail "the KVM test was not skipped"
  grep -q "skipped: .*kvm.*No such file" "$dir/out" || fail "the KVM test does not say why"
  grep -q "nested: $kvm .*Passed" "$dir/out" || fail "its twin has not passed"
}

copy_of_tree "$dir/tree"
some_tests "$dir/tree" "${as_started[@]}" env "PATH=$dir/bin:$PATH"
copy_of_tree "$dir/home/tree"
as_ordinary_user "$dir/home" some_tests "$dir/home/tree" || exit 0
