#!/bin/sh
# install.sh CMAKE BUILD TREE [--sanitized]: installs what a VMM of others needs, then moves it to TREE. Nothing that
# is installed, the command included, names the place where it was built or first installed; and
# what the installed pages link to is installed.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
cmake=$1 build=$2 tree=$3 sanitized=${4-}

install() { "$cmake" --install "$build" --prefix "$1" --component "$2" >/dev/null; }
names_no_place() {
  # A sanitizer's reports name the sources.
  if [ "$sanitized" != --sanitized ] && grep -rlF -e "$tree" -e "$build" -e "$root" "$1"; then
    echo "the files above name the place where they were built or first installed" >&2
    exit 1
  fi
}

rm -rf "$tree" "$tree.first"
for component in library guest; do
  install "$tree.first" "$component"
done
if [ "$sanitized" != --sanitized ] && [ -x "$build/bin/muster" ]; then # the benchmark does not build it
  install "$tree.first/command" command
fi
names_no_place "$tree.first"
rm -rf "$tree.first/command"
mv "$tree.first" "$tree"
"$here/links.py" "$tree"/share/doc/muster
