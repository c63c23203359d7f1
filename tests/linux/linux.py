#!/usr/bin/env python3
"""Boots kernels that others wrote on muster, on stock kvm_amd (tests/nested).

    linux.py SESSION MUSTER TEST [--kernel cloud|full|cloud-32|memtest-32] [--pvh] [--cpus N]
        [--ending poweroff|reboot|panic] [--x2apic yes|no] [-- KERNEL WORDS]

TEST is a function of inside.py: shell, panic, compared, memtest. What is to be booted is fetched out
of Debian's packages where it is not cached; where that cannot be, the status is 77.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

import files

HERE = pathlib.Path(__file__).resolve().parent


def without_64_bit_entry(image):
    """The same bzImage without the flag XLF_KERNEL_64: it starts by its 32-bit entry point."""
    contents = bytearray(image.read_bytes())
    contents[0x236] &= ~1
    copy = files.kernel.cache_directory() / "packages" / "vmlinuz-32"
    if not copy.exists() or copy.read_bytes() != contents:
        with tempfile.NamedTemporaryFile(dir=copy.parent, delete=False) as partial:
            partial.write(contents)
        pathlib.Path(partial.name).rename(copy)
    return copy


def image_of(arguments):
    if arguments.test == "memtest":
        return files.memtest()[arguments.kernel == "memtest-32"]
    image = files.full_kernel() if arguments.kernel == "full" else files.cloud_kernel()
    if arguments.pvh:
        return files.vmlinux(image)
    return without_64_bit_entry(image) if arguments.kernel == "cloud-32" else image


def parse():
    parser = argparse.ArgumentParser()
    parser.add_argument("session")
    parser.add_argument("muster")
    parser.add_argument("test", choices=["shell", "panic", "compared", "memtest"])
    parser.add_argument("--kernel", default="cloud")
    parser.add_argument("--pvh", action="store_true")
    parser.add_argument("--cpus", type=int, default=4)
    parser.add_argument("--ending", default="poweroff")
    parser.add_argument("--x2apic", choices=["yes", "no"])
    own, words = sys.argv[1:], []
    if "--" in own:
        at = own.index("--")
        own, words = own[:at], own[at + 1:]
    arguments = parser.parse_args(own)
    arguments.words = words
    return arguments


def main():
    arguments = parse()
    try:
        case = {"test": arguments.test, "muster": arguments.muster, "cpus": arguments.cpus,
                "image": str(image_of(arguments)), "words": arguments.words,
                "ending": arguments.ending,
                "shows": f"{arguments.cpus}T (PAR)" if arguments.cpus > 1 else "SMP: Disabled"}
        if arguments.test in ("shell", "compared"):
            case["initrd"] = str(files.initrd())
    except files.Unavailable as error:
        print(f"skipped: {error}")
        return 77
    if arguments.x2apic:
        case["x2apic"] = arguments.x2apic == "yes"
    return subprocess.call([HERE.parent / "nested" / "nested.py", "exec", "--session",
                            arguments.session, "--", "python3", HERE / "inside.py",
                            json.dumps(case)])


if __name__ == "__main__":
    sys.exit(main())
