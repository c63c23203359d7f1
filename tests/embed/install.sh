#!/bin/sh
# install.sh CMAKE BUILD TREE: installs what a VMM of others needs, then moves it to TREE. What the
# installed pages link to is installed.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cmake=$1 build=$2 tree=$3
rm -rf "$tree" "$tree.first"
for component in library guest; do
  "$cmake" --install "$build" --prefix "$tree.first" --component "$component" >/dev/null
done
mv "$tree.first" "$tree"
if grep -rlF -e "$tree.first" -e "$build" "$tree"/lib*/cmake "$tree"/include "$tree"/share; then
  echo "the files above name the place where they were built or first installed" >&2
  exit 1
fi
"$here/links.py" "$tree"/share/doc/muster
