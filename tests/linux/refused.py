#!/usr/bin/env python3
"""refused.py MUSTER: memtest86+ on a KVM that emulates instructions ends at the first that this does
not know (an x87 instruction), and muster says which, where and why. Skipped where it is executed."""

import re
import subprocess
import sys

import files


def main():
    try:
        image, _ = files.memtest()
    except files.Unavailable as error:
        print(f"skipped: {error}")
        return 77
    run = subprocess.run([sys.argv[1], "run", image, "--timeout", "10s", "--", "console=ttyS0"],
                         capture_output=True, text=True, errors="replace", stdin=subprocess.DEVNULL)
    if run.returncode == 12:
        print("skipped: this KVM executes what memtest86+ needs")
        return 77
    print(run.stderr)
    said = [r"the guest crashed on cpu 0: this KVM cannot execute the instruction",
            r"at 0x[0-9a-f]+\n", r"code there: ([0-9a-f]{2} ){3}"]
    missing = [pattern for pattern in said if not re.search(pattern, run.stderr)]
    print(f"status {run.returncode}, missing: {missing}")
    return 0 if run.returncode == 8 and not missing else 1


if __name__ == "__main__":
    sys.exit(main())
