#!/bin/sh
# abi.sh LIBRARY RECORD [--record]: whether the library's binary interface is still the one that
# RECORD holds; there may be more of it. --record: writes it, after a change that is meant.
set -eu
library=$1 record=$2
for tool in abidw abidiff; do
  command -v $tool >/dev/null || { echo "skipped: no $tool; ./dev setup all installs it"; exit 77; }
done
if [ "${3-}" = --record ]; then
  abidw --exported-interfaces-only --no-corpus-path --no-comp-dir-path --no-show-locs --no-elf-needed \
    --out-file "$record" "$library"
  exit
fi
status=0
abidiff --exported-interfaces-only --no-added-syms --harmless "$record" "$library" || status=$?
[ $status = 0 ] && exit 0
echo "The binary interface has changed. If that is meant: $0 $library $record --record"
exit 1
