#!/bin/sh
# symbols.sh LIBRARY HEADER: libmuster.so shows what HEADER declares, and nothing else.
set -eu
declared=$(sed -n 's/^MUSTER_API .* \**\(muster_[a-z0-9_]*\)(.*/\1/p' "$2" | sort)
shown=$(nm -D --defined-only --without-symbol-versions "$1" | awk '$2 != "A" { print $3 }' | sort)
[ "$(echo "$declared" | wc -l)" -ge 20 ] || { echo "$2: only these are declared: $declared"; exit 1; }
[ "$declared" = "$shown" ] && exit 0
echo "declared in the header:"; echo "$declared"
echo "shown by the library:"; echo "$shown"
exit 1
