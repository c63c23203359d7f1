#!/bin/sh
# pkgconfig.sh CMAKE SOURCES BUILD: configures SOURCES in BUILD for directories of which some are
# absolute; muster.pc, where it would be installed, names them as they are, and the others from there.
set -eu
cmake=$1 sources=$2 build=$3
command -v pkgconf >/dev/null || { echo "skipped: no pkgconf; ./dev setup all installs it"; exit 77; }
command -v ninja >/dev/null && generator=Ninja || generator="Unix Makefiles"
mkdir -p "$build"

# names INCLUDEDIR LIBDIR AT: AT is where muster.pc comes to be; then what it is to name.
names() {
  "$cmake" -G "$generator" -S "$sources" -B "$build" -DMUSTER_TESTS=OFF -DMUSTER_GUESTS=OFF \
    -DCMAKE_INSTALL_PREFIX=/opt/muster -DCMAKE_INSTALL_INCLUDEDIR="$1" -DCMAKE_INSTALL_LIBDIR="$2" \
    >"$build/configure.log" 2>&1 || { cat "$build/configure.log"; exit 1; }
  mkdir -p "$3/pkgconfig"
  cp "$build/src/vcpu/capi/muster.pc" "$3/pkgconfig"
  for pair in "includedir $4" "libdir $5"; do
    named=$(PKG_CONFIG_LIBDIR=$3/pkgconfig pkgconf --variable="${pair% *}" muster)
    [ "$(realpath -m "$named")" = "${pair#* }" ] && continue
    echo "includes in $1, libraries in $2: ${pair% *} is $named, not ${pair#* }"
    exit 1
  done
}

moved=$build/moved
names include lib "$moved/lib" "$moved/include" "$moved/lib"
names include lib/x86_64-linux-gnu "$moved/lib/x86_64-linux-gnu" "$moved/include" "$moved/lib/x86_64-linux-gnu"
names /elsewhere/include lib "$moved/lib" /elsewhere/include "$moved/lib"
names include /elsewhere/lib "$moved" /opt/muster/include /elsewhere/lib
names /elsewhere/include /elsewhere/lib "$moved" /elsewhere/include /elsewhere/lib
