#!/bin/sh
# acpi_tables.sh DUMP_ACPI CPUS: what ACPICA's iasl thinks of the tables. Each is disassembled and
# compiled again, which has to give the same bytes, and no error or warning on either way.
dump=$1 cpus=$2
command -v iasl >/dev/null || { echo "skipped: there is no iasl (package acpica-tools)"; exit 77; }
directory=$(mktemp -d) || exit 1
trap 'rm -rf "$directory"' EXIT
"$dump" "$cpus" "$directory" || exit 1
cd "$directory" || exit 1
status=0 tables=0
for table in *.aml; do
  name=${table%.aml}
  tables=$((tables + 1))
  header=36  # names its compiler, who here is another; the FACS has no such header
  [ "$name" = FACS ] && header=0
  if ! iasl -p "$name" -d "$table" >"$name.said" 2>&1 ||
    ! iasl -oa -we -p "again-$name" "$name.dsl" >>"$name.said" 2>&1 ||
    grep -Ei '^(error|warning)|[1-9][0-9]* (Errors|Warnings)|Invalid|incorrect' "$name.said"; then
    echo "iasl does not like $name:"
    cat "$name.said" "$name.dsl" 2>/dev/null
    status=1
  elif ! cmp -i "$header" "$table" "again-$name.aml"; then
    echo "$name is not what iasl makes of it"
    status=1
  fi
done
[ "$tables" = 5 ] || { echo "there are $tables tables, not 5"; status=1; }
exit $status
