#!/bin/sh
# doc_vmm.sh PROGRAM DIRECTORY [SANITIZER]: what the VMM of docs/embedding.md says where it cannot go on.
set -eu
program=$1 directory=$2 sanitizer=${3-}
mkdir -p "$directory"

# says STATUS TEXT COMMAND...
says() {
  status=0 wanted=$1 text=$2
  shift 2
  "$@" >/dev/null 2>"$directory/said" || status=$?
  if [ "$status" != "$wanted" ] || ! grep -qF -e "$text" "$directory/said"; then
    echo "$*: ended with $status, not $wanted, or did not say '$text' but:" >&2
    cat "$directory/said" >&2
    exit 1
  fi
}

# An ELF32 executable of one page at 1 MiB: UD2, for which there is no IDT.
python3 - "$directory/faults" <<'PYTHON'
import struct, sys
header = struct.pack("<16sHHIIIIIHHHHHH", b"\177ELF\1\1\1", 2, 3, 1, 0x100000, 52, 0, 0, 52, 32, 1, 0, 0, 0)
part = struct.pack("<8I", 1, 84, 0x100000, 0x100000, 2, 2, 7, 4096)
open(sys.argv[1], "wb").write(header + part + b"\x0f\x0b")
PYTHON
says 8 'vCPU 0 cannot go on: fault 0, detail 0, RIP 0x' "$program" "$directory/faults" 1
says 6 '0 vCPUs: ' "$program" "$directory/faults" 0
if [ -z "$sanitizer" ]; then # whose shadow takes more than that
  says 6 'no memory for the guest' prlimit --as=50000000 "$program" "$directory/faults" 1
fi
