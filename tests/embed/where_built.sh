#!/bin/sh
# where_built.sh PROGRAM PACKAGE ARGUMENTS: runs it, or says that there was no PACKAGE to build it with.
set -eu
program=$1 package=$2
shift 2
if [ ! -x "$program" ]; then
  echo "skipped: there was no $package when it was to be built; ./dev setup all installs it"
  exit 77
fi
exec "$program" "$@"
