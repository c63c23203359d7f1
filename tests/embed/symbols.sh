#!/bin/sh
# symbols.sh LIBRARY HEADER: libmuster.so shows what HEADER declares, and nothing else; and it is one that
# dlopen() can bring: of the space for the thread-local variables of such libraries it takes little.
set -eu
tls=$(readelf -lW "$1" | awk '$1 == "TLS" { print $6 }')
[ $((tls)) -gt 0 ] && [ $((tls)) -le 128 ] || { echo "$1: thread-local variables: $tls bytes"; exit 1; }
declared=$(sed -n 's/^MUSTER_API .* \**\(muster_[a-z0-9_]*\)(.*/\1/p' "$2" | sort)
shown=$(nm -D --defined-only --without-symbol-versions "$1" | awk '$2 != "A" { print $3 }' | sort)
[ "$(echo "$declared" | wc -l)" -ge 20 ] || { echo "$2: only these are declared: $declared"; exit 1; }
[ "$declared" = "$shown" ] && exit 0
echo "declared in the header:"; echo "$declared"
echo "shown by the library:"; echo "$shown"
exit 1
