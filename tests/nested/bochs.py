"""Stock kvm_intel on the VMX that Bochs emulates."""

import contextlib
import os
import pathlib
import pty
import re
import shutil
import signal
import subprocess
import tty

from kernel import Unavailable
from machine import Machine, die_with_parent, need

BOCHSRC = """\
memory: guest=1024, host=1024
cpu: model=corei7_haswell_4770, count={cpus}, ips=100000000, reset_on_triple_fault=0, ignore_bad_msrs=1
clock: sync=none, time0=1700000000
romimage: file={share}/BIOS-bochs-latest
vgaromimage: file={share}/VGABIOS-lgpl-latest
boot: cdrom
ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14
ata0-master: type=cdrom, path={scratch}/boot.iso, status=inserted
ata0-slave: type=disk, path={scratch}/disk, mode=flat
com1: enabled=1, mode=file, dev={scratch}/kernel.log
com2: enabled=1, mode=term, dev={terminal}
port_e9_hack: enabled=1
pci: enabled=1, chipset=i440fx
panic: action=fatal
error: action=ignore
info: action=ignore
log: {scratch}/bochs.log
speaker: enabled=0
sound: waveoutdrv=dummy, waveindrv=dummy, midioutdrv=dummy
display_library: rfb, options="timeout=0"
"""

ISOLINUX = """\
default muster
prompt 0
timeout 0
label muster
  kernel /vmlinuz
  append initrd=/initramfs console=ttyS0,115200 quiet nokaslr panic=-1 tsc=reliable clocksource=tsc \
mitigations=off cryptomgr.notests muster.files=disk
"""

SHARE = pathlib.Path("/usr/share/bochs")


def libraries(program):
    """The shared objects that a program is loaded with."""
    said = subprocess.run(["ldd", program], capture_output=True, text=True).stdout
    return re.findall(r"(/\S+) \(0x", said)


class Bochs(Machine):
    """The guest sees a disk with `content` alone: files and directories, at their own paths, and the
    libraries that programs among them need. What it writes is lost."""

    backend = "bochs"

    def __init__(self, report, content, cpus=1):
        self.content = content
        self.cpus = cpus
        self.boot_limit = 270 * cpus
        super().__init__(report)

    def start(self):
        bochs = need("bochs-bin", "bochs")
        for file, package in (("BIOS-bochs-latest", "bochsbios"), ("VGABIOS-lgpl-latest", "vgabios")):
            if not (SHARE / file).exists():
                raise Unavailable(f"{SHARE / file} is missing: ./dev setup installs it "
                                  f"(package {package})")
        self._make_cd()
        self._make_disk()

        # Commands go in by the second serial line, which Bochs holds as a terminal; answers come by
        # port 0xe9, which it copies to its standard output at once.
        self.send_fd, line = pty.openpty()
        tty.setraw(line)
        self.cleanup.callback(os.close, self.send_fd)
        self.cleanup.callback(os.close, line)
        (self.scratch / "bochsrc").write_text(BOCHSRC.format(
            cpus=self.cpus, share=SHARE, scratch=self.scratch, terminal=os.ttyname(line)))
        (self.scratch / "debugger").write_text("c\n")  # this build asks before it starts
        self.bochs = self.spawn(
            [bochs, "-q", "-f", self.scratch / "bochsrc", "-rc", self.scratch / "debugger"],
            "stderr.log", die_with_parent, stdout=subprocess.PIPE,
            env={**os.environ, "BXSHARE": str(SHARE)})
        self.receive_fd = self.bochs.stdout.fileno()
        self.cleanup.callback(self.bochs.stdout.close)

    # An idle guest takes a whole processor of the host's. Its time is that of its instructions, so it
    # does not notice.

    def rest(self):
        self._signal(signal.SIGSTOP)

    def wake(self):
        self._signal(signal.SIGCONT)

    def _signal(self, number):
        with contextlib.suppress(ProcessLookupError):
            self.bochs.send_signal(number)

    def _make_cd(self):
        tree = self.scratch / "cd"
        tree.mkdir()
        for file, package in (("/usr/lib/ISOLINUX/isolinux.bin", "isolinux"),
                              ("/usr/lib/syslinux/modules/bios/ldlinux.c32", "syslinux-common")):
            if not os.path.exists(file):
                raise Unavailable(f"{file} is missing: ./dev setup installs it (package {package})")
            shutil.copy(file, tree)
        shutil.copy(self.kernel / "vmlinuz", tree)
        shutil.copy(self.initramfs, tree)
        (tree / "isolinux.cfg").write_text(ISOLINUX)
        self._tool([need("xorriso", "xorriso"), "-as", "mkisofs", "-quiet", "-o",
                    self.scratch / "boot.iso", "-b", "isolinux.bin", "-c", "boot.cat",
                    "-no-emul-boot", "-boot-load-size", "4", "-boot-info-table", tree])

    def _make_disk(self):
        tree = self.scratch / "tree"
        wanted = {pathlib.Path(path).absolute() for path in self.content}
        wanted |= {pathlib.Path(library) for path in set(wanted) if path.is_file()
                   for library in libraries(path)}
        for path in sorted(wanted):
            target = tree / path.relative_to("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            if path.is_dir():
                shutil.copytree(path, target, dirs_exist_ok=True)
            elif path.exists():
                shutil.copy(path, target)
            else:
                raise Unavailable(f"{path} is to go in, and does not exist")
        (tree / os.getcwd().lstrip("/")).mkdir(parents=True, exist_ok=True)
        size = sum(file.stat().st_size for file in tree.rglob("*") if file.is_file())
        disk = self.scratch / "disk"
        # Bochs takes a disk that is a whole number of cylinders, 16 heads of 63 sectors each.
        cylinder = 16 * 63 * 512
        with open(disk, "wb") as file:
            file.truncate((size * 5 // 4 + 32 * 2**20) // cylinder * cylinder)
        self._tool([need("mke2fs", "e2fsprogs"), "-q", "-F", "-t", "ext4", "-d", tree, disk])

    def _tool(self, command):
        run = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if run.returncode != 0:
            raise Unavailable(f"{command[0]} failed: {run.stderr.strip()}")
