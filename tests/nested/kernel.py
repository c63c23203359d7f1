"""The emulated machine's kernel and first file system, made from Debian's packages and kept."""

import contextlib
import fcntl
import hashlib
import os
import pathlib
import shutil
import subprocess
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
PACKAGE = "linux-image-cloud-amd64"

# Module files by backend, in the order in which they load.
MODULES = {
    "qemu": ["irqbypass", "kvm", "kvm-amd", "virtio_ring", "virtio", "virtio_pci_modern_dev",
             "virtio_pci_legacy_dev", "virtio_pci", "virtio_console", "fuse", "virtiofs"],
    "bochs": ["irqbypass", "kvm", "kvm-intel", "scsi_common", "scsi_mod", "libata", "ata_piix",
              "sd_mod"],
}

ALL_MODULES = {module for modules in MODULES.values() for module in modules}


class Unavailable(Exception):
    """What keeps the emulated machine from starting here, with the mend where there is one."""


def cache_directory():
    """.cache of the repository, or the user's own where that cannot be written."""
    own = REPOSITORY / ".cache" / "nested"
    with contextlib.suppress(OSError):
        own.mkdir(parents=True, exist_ok=True)
        if os.access(own, os.W_OK):
            return own
    shared = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")
    try:
        (shared / "muster-nested").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Unavailable(f"no place for a cache: neither {own} nor {shared} can be written "
                          f"({error.strerror})") from None
    return shared / "muster-nested"


@contextlib.contextmanager
def locked(cache):
    """Two runs at once fetch once."""
    with open(cache / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def damage(directory):
    """The name of a file that is not what was cached, or None."""
    sums = {}
    for line in (directory / "SHA256SUMS").read_text(errors="replace").splitlines():
        want, _, name = line.partition("  ")
        sums[name] = want
    # A list cut short would vouch for what it no longer names.
    if "vmlinuz" not in sums or any(f"{module}.ko" not in sums for module in ALL_MODULES):
        return "SHA256SUMS"
    for name, want in sums.items():
        file = directory / name
        if not file.is_file() or digest(file) != want:
            return name
    return None


def run(command, **options):
    try:
        return subprocess.run(command, check=True, text=True, stdin=subprocess.DEVNULL,
                              capture_output=True, **options).stdout
    except FileNotFoundError:
        raise Unavailable(f"{command[0]} is missing: ./dev setup installs it") from None
    except subprocess.CalledProcessError as error:
        said = (error.stderr.strip() or error.stdout.strip()).splitlines()[-3:]
        raise Unavailable(f"{' '.join(map(str, command))} failed:\n  " + "\n  ".join(said)) from None


def fetch(directory, report):
    """Leaves vmlinuz, the modules and their checksums in directory."""
    depends = run(["apt-cache", "depends", PACKAGE])
    names = [line.split()[-1] for line in depends.splitlines() if line.split()[:1] == ["Depends:"]]
    if not names:
        raise Unavailable(f"apt knows no {PACKAGE}: is this Debian, and has `apt-get update` been run?")
    report(f"fetching Debian's {names[0]} (27 MB, once)")
    with tempfile.TemporaryDirectory(dir=directory.parent) as scratch:
        try:
            run(["apt-get", "-q", "-o", "Acquire::Retries=1", "download", names[0]], cwd=scratch)
        except Unavailable as error:
            raise Unavailable(f"cannot fetch the kernel. Is there a network? {error}") from None
        package, = pathlib.Path(scratch).glob("*.deb")
        unpacked = pathlib.Path(scratch) / "unpacked"
        try:
            run(["dpkg-deb", "-x", package, unpacked])
        except Unavailable as error:
            raise Unavailable(f"the kernel's package is not whole; run this again. {error}") from None
        kept = pathlib.Path(scratch) / "kept"
        kept.mkdir()
        kernel, = unpacked.glob("boot/vmlinuz-*")
        shutil.copy(kernel, kept / "vmlinuz")
        wanted = set(ALL_MODULES)
        for module in unpacked.rglob("*.ko"):
            if module.stem in wanted:
                shutil.copy(module, kept / module.name)
                wanted.discard(module.stem)
        if wanted:
            raise Unavailable(f"{names[0]} has no module {', '.join(sorted(wanted))}")
        sums = "".join(f"{digest(file)}  {file.name}\n" for file in sorted(kept.iterdir()))
        (kept / "SHA256SUMS").write_text(sums)
        (kept / "PACKAGE").write_text(package.name + "\n")
        shutil.rmtree(directory, ignore_errors=True)
        kept.rename(directory)


def kernel(report):
    """The directory with vmlinuz and the modules, fetched where it is not there or damaged."""
    cache = cache_directory()
    directory = cache / "kernel"
    with locked(cache):
        if (directory / "SHA256SUMS").exists():
            damaged = damage(directory)
            if damaged is None:
                return directory
            report(f"{directory / damaged} is damaged (its checksum differs); fetching it again")
        fetch(directory, report)
    return directory


def compiled(name, sources, *flags):
    """The program NAME, compiled into the cache when its sources have changed."""
    key = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:16]
    cache = cache_directory()
    program = cache / f"{name}-{key}"
    with locked(cache):
        if not program.exists():
            for old in cache.glob(f"{name}-*"):
                old.unlink()
            partial = cache / f"partial-{name}"
            run(["gcc", "-O1", "-Wall", "-Wextra", "-Werror", *flags, "-o", partial,
                 *(source for source in sources if source.suffix == ".c")])
            partial.rename(program)
    return program


def guest_init():
    """The guest's first program."""
    return compiled("init", sorted((HERE / "guest").iterdir()), "-static")


def cpio_entry(name, mode, data=b""):
    fields = [0, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0]
    header = b"070701" + b"".join(b"%08X" % field for field in fields)
    entry = header + name.encode() + b"\0"
    entry += b"\0" * (-len(entry) % 4)
    return entry + data + b"\0" * (-len(data) % 4)


def initramfs(path, backend, kernel_directory, writable):
    """Writes the first file system: init, its modules and its lists."""
    modules = MODULES[backend]
    lines = lambda items: "".join(f"{item}\n" for item in items).encode()
    with open(path, "wb") as file:
        file.write(cpio_entry("lib", 0o040755))
        file.write(cpio_entry("init", 0o100755, guest_init().read_bytes()))
        file.write(cpio_entry("modules", 0o100644, lines(modules)))
        file.write(cpio_entry("writable", 0o100644, lines(writable)))
        for module in modules:
            data = (kernel_directory / f"{module}.ko").read_bytes()
            file.write(cpio_entry(f"lib/{module}.ko", 0o100644, data))
        file.write(cpio_entry("TRAILER!!!", 0))
