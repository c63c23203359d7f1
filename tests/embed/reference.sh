#!/bin/sh
# reference.sh DIRECTORY [TREE]: the reference of the public headers of TREE (an installed tree), as HTML
# in DIRECTORY. Warnings are errors.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
command -v doxygen >/dev/null || { echo "skipped: no doxygen; ./dev setup all installs it"; exit 77; }
mkdir -p "$1"
{
  cat "$here/Doxyfile"
  echo "INPUT = ${2-/usr/local}/include/muster ${2-/usr/local}/include/muster.h"
  echo "STRIP_FROM_PATH = ${2-/usr/local}/include"
  echo "OUTPUT_DIRECTORY = $1"
  echo "INPUT_FILTER = $here/reference.py"
} | doxygen -
pages=$(find "$1/html" -name '*.html' | wc -l)
[ "$pages" -ge 80 ] || { echo "only $pages pages came out"; exit 1; }
