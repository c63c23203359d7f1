#!/usr/bin/env python3
"""Kernels and a first file system to boot: out of Debian's packages, installed nowhere.

    files.py DIRECTORY

leaves vmlinuz (linux-image-cloud-amd64), vmlinux (the same, unpacked) and initrd (BusyBox) there.
"""

import io
import lzma
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "nested"))

import kernel  # noqa: E402
from kernel import Unavailable  # noqa: E402
from machine import need  # noqa: E402

APPLETS = ["sh", "mount", "cat", "nproc", "poweroff", "reboot", "dmesg", "grep", "sleep", "echo",
           "setsid", "cttyhack", "taskset", "ls", "ps", "uname", "uptime", "free", "wc", "head"]

# What /init does, and what muster.init= on the kernel's command line changes: nothing (poweroff), or
# the kernel's warnings and worse (warnings), in place of the shell.
INIT = """#!/bin/sh
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
echo "init: $(cut -d' ' -f1 /proc/uptime) s after the kernel's start, $(nproc) CPUs"
case $(cat /proc/cmdline) in
*muster.init=poweroff*) ;;
*muster.init=warnings*) dmesg -r | grep '^<[0-4]>' ;;
*) setsid cttyhack sh ;;
esac
poweroff -f
"""


def report(text):
    print(f"linux: {text}", file=sys.stderr, flush=True)


def versioned(package):
    """What a package that only depends on the newest depends on."""
    lines = kernel.run(["apt-cache", "depends", package]).splitlines()
    names = [line.split()[-1] for line in lines if line.split()[:1] == ["Depends:"]]
    if not names:
        raise Unavailable(f"apt knows no {package}: is this Debian, and has `apt-get update` been run?")
    return names[0]


def unpacked(package, wanted):
    """The directory with the files of a Debian package that match the pattern WANTED."""
    cache = kernel.cache_directory()
    directory = cache / "packages" / package
    with kernel.locked(cache):
        if directory.exists():
            return directory
        directory.parent.mkdir(exist_ok=True)
        report(f"fetching Debian's {package} (once)")
        with tempfile.TemporaryDirectory(dir=cache) as scratch:
            scratch = pathlib.Path(scratch)
            try:
                kernel.run(["apt-get", "-q", "-o", "Acquire::Retries=1", "download", package],
                           cwd=scratch)
            except Unavailable as error:
                raise Unavailable(f"cannot fetch {package}. Is there a network? {error}") from None
            deb, = scratch.glob("*.deb")
            kernel.run(["dpkg-deb", "-x", deb, scratch / "all"])
            kept = scratch / "kept"
            kept.mkdir()
            for file in (scratch / "all").glob(wanted):
                shutil.copy(file, kept / file.name)
            if not any(kept.iterdir()):
                raise Unavailable(f"{package} has no {wanted}")
            kept.rename(directory)
    return directory


def cloud_kernel():
    """The kernel of Debian's linux-image-cloud-amd64, which the emulated machine runs too."""
    return kernel.kernel(report) / "vmlinuz"


def full_kernel():
    file, = unpacked(versioned("linux-image-amd64"), "boot/vmlinuz-*").iterdir()
    return file


def memtest():
    """memtest86+, with a 64-bit entry and with a 32-bit one alone."""
    directory = unpacked("memtest86+", "boot/memtest86+*.bin")
    return directory / "memtest86+x64.bin", directory / "memtest86+ia32.bin"


def unpack_kernel(bzimage):
    """The ELF file that a bzImage holds: "The Linux/x86 Boot Protocol", payload_offset."""
    setup = (bzimage[0x1F1] or 4) * 512 + 512
    offset, length = struct.unpack_from("<II", bzimage, 0x248)
    # Its last 4 bytes are the size unpacked.
    payload = bzimage[setup + offset:setup + offset + length - 4]
    if payload[:6] == b"\xfd7zXZ\0":
        return lzma.LZMADecompressor().decompress(payload)
    if payload[:4] == b"\x02\x21\x4c\x18":
        need("lz4", "lz4")
        return subprocess.run(["lz4", "-d", "-q", "-c"], input=payload, stdout=subprocess.PIPE,
                              check=True).stdout
    raise Unavailable("the kernel is packed in a way that nothing here unpacks")


def vmlinux(bzimage):
    """A file with what unpack_kernel gives."""
    cache = kernel.cache_directory()
    directory = cache / "packages" / f"vmlinux-{kernel.digest(bzimage)[:16]}"
    with kernel.locked(cache):
        if not directory.exists():
            contents = unpack_kernel(bzimage.read_bytes())
            directory.parent.mkdir(exist_ok=True)
            with tempfile.TemporaryDirectory(dir=cache) as scratch:
                kept = pathlib.Path(scratch) / "kept"
                kept.mkdir()
                (kept / "vmlinux").write_bytes(contents)
                kept.rename(directory)
    return directory / "vmlinux"


def cpio(entries):
    """A "newc" archive of (name, mode, data, (major, minor))."""
    file = io.BytesIO()
    for number, (name, mode, data, device) in enumerate([*entries, ("TRAILER!!!", 0, b"", (0, 0))]):
        fields = [number, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(name) + 1, 0]
        file.write(b"070701" + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0")
        file.write(b"\0" * (-file.tell() % 4) + data)
        file.write(b"\0" * (-file.tell() % 4))
    return file.getvalue()


def initrd_contents():
    directory, regular, link, device = 0o040755, 0o100755, 0o120777, 0o020600
    busybox = (unpacked("busybox-static", "bin/busybox") / "busybox").read_bytes()
    entries = [(name, directory, b"", (0, 0)) for name in ("bin", "dev", "proc", "sys")]
    entries += [("dev/console", device, b"", (5, 1)), ("bin/busybox", regular, busybox, (0, 0)),
                ("init", regular, INIT.encode(), (0, 0))]
    entries += [(f"bin/{name}", link, b"busybox", (0, 0)) for name in [*APPLETS, "cut"]]
    return cpio(entries)


def initrd():
    """A file with BusyBox in it, whose first program is INIT."""
    contents = initrd_contents()
    file = kernel.cache_directory() / "packages" / "initrd"
    if not file.exists() or file.read_bytes() != contents:
        with tempfile.NamedTemporaryFile(dir=file.parent, delete=False) as partial:
            partial.write(contents)
        pathlib.Path(partial.name).rename(file)
    return file


def main():
    if len(sys.argv) != 2:
        print("usage: files.py DIRECTORY", file=sys.stderr)
        return 2
    to = pathlib.Path(sys.argv[1])
    try:
        image = cloud_kernel()
        files = {"vmlinuz": image, "vmlinux": vmlinux(image), "initrd": initrd()}
    except Unavailable as error:
        report(str(error))
        return 6
    to.mkdir(parents=True, exist_ok=True)
    for name, file in files.items():
        shutil.copy(file, to / name)
    print(*(to / name for name in files), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
