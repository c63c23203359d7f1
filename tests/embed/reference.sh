#!/bin/sh
# reference.sh DIRECTORY [TREE]: the reference of the public headers of TREE (where Muster is installed,
# /usr/local unless told), and its page on embedding, as HTML in DIRECTORY. Warnings are errors, and so
# is what has no comment, but for what undocumented.py lets pass.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
directory=$1 tree=${2-/usr/local}
command -v doxygen >/dev/null || { echo "skipped: no doxygen; ./dev setup all installs it"; exit 77; }
page=$tree/share/doc/muster/embedding.md
for installed in "$tree/include/muster/vcpu" "$tree/include/muster.h" "$page"; do
  [ -e "$installed" ] || { echo "there is no $installed: Muster is not installed in $tree" >&2; exit 1; }
done
mkdir -p "$directory"

# doxygen SETTING...
doxygen_with() {
  {
    cat "$here/Doxyfile"
    echo "INPUT = $page $tree/include/muster $tree/include/muster.h"
    echo "USE_MDFILE_AS_MAINPAGE = $page"
    echo "STRIP_FROM_PATH = $tree/include"
    echo "OUTPUT_DIRECTORY = $directory"
    echo "FILTER_PATTERNS = *.h=$here/reference.py *.md=$here/reference.py"
    printf '%s\n' "$@"
  } | doxygen -
}

doxygen_with "EXTRACT_ALL = NO" "GENERATE_HTML = NO" "GENERATE_XML = YES" "XML_PROGRAMLISTING = NO" "WARN_IF_UNDOCUMENTED = YES" \
  "WARN_AS_ERROR = NO" "WARN_LOGFILE = $directory/undocumented"
"$here/undocumented.py" "$directory/undocumented"
doxygen_with
pages=$(find "$directory/html" -name '*.html' | wc -l)
[ "$pages" -ge 80 ] || { echo "only $pages pages came out"; exit 1; }
for text in 'What may be called from where' '<code>Vm::SetStart</code>'; do
  grep -qF "$text" "$directory/html/index.html" || { echo "the first page has no '$text'"; exit 1; }
done
if grep -rl '`' "$directory"/html/class*.html "$directory"/html/struct*.html; then
  echo "in the files above, words that are code stand in backticks"
  exit 1
fi
