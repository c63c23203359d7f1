"""Stock kvm_amd on QEMU's emulated SVM."""

import os
import resource
import socket
import subprocess

import kernel
from machine import Machine, die_with_parent, need


def allow_many_files():
    """virtiofsd holds a descriptor for each file that the guest knows."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    die_with_parent()


def in_own_name_space():
    """The command before virtiofsd's for an ordinary user: chroot takes a capability, which a user has
    in a name space of his own."""
    own = ["unshare", "--map-root-user"]
    tried = subprocess.run([*own, "true"], stderr=subprocess.PIPE, text=True, check=False)
    if tried.returncode != 0:
        raise kernel.Unavailable(f"{tried.stderr.strip()}: who is not root needs a user name space here, "
                                 "which chroots and many containers forbid. Run it as root")
    return own


def guest_memory_mib():
    """4 GiB, or half of what this machine has; the guest takes only what it touches."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return max(512, min(4096, pages // 2 // 2**20))


class Qemu(Machine):
    """The guest sees the host's files; it may write in those of the directories `writable`."""

    backend = "qemu"
    boot_limit = 40
    proof = ("/bin/true",)

    def __init__(self, report, writable):
        self.writable = writable
        super().__init__(report)

    def start(self):
        memory = guest_memory_mib()
        files = self._start_virtiofsd()
        ours, channel = socket.socketpair()
        self.receive_fd = self.send_fd = self.cleanup.enter_context(ours).fileno()
        with files, channel:
            self.spawn(
                [need("qemu-system-x86_64", "qemu-system-x86"),
                 "-accel", "tcg,thread=multi", "-cpu", "EPYC,+svm,-la57",
                 # One more than commands run on: see LeaveBootCpu in guest/init.c.
                 "-smp", "3",
                 "-m", str(memory), "-display", "none", "-nic", "none", "-no-reboot",
                 "-nodefaults", "-serial", f"file:{self.scratch / 'kernel.log'}",
                 "-object", f"memory-backend-memfd,id=m,size={memory}M,share=on",
                 "-numa", "node,memdev=m",
                 # First of the virtio devices, so that the guest finds it as vport0p1.
                 "-device", "virtio-serial-pci", "-device", "virtserialport,chardev=channel",
                 "-chardev", f"socket,id=channel,fd={channel.fileno()}",
                 "-device", "vhost-user-fs-pci,chardev=files,tag=host",
                 "-chardev", f"socket,id=files,fd={files.fileno()}",
                 "-kernel", self.kernel / "vmlinuz", "-initrd", self.initramfs,
                 "-append", "console=ttyS0 panic=-1 quiet tsc=reliable clocksource=tsc "
                            "muster.files=virtiofs"],
                "qemu.log", pass_fds=(files.fileno(), channel.fileno()))

    def _start_virtiofsd(self):
        """Returns the socket over which QEMU speaks to it."""
        path = str(self.scratch / "files")
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path)
            listener.listen(1)
            command = [need("virtiofsd", "qemu-system-common"), f"--fd={listener.fileno()}",
                       "-o", "source=/", "-o", "sandbox=chroot", "--rlimit-nofile=0"]
            if os.geteuid() != 0:
                preload = kernel.compiled("keep_groups.so",
                                          [kernel.HERE / "host" / "keep_groups.c"], "-shared", "-fPIC")
                command = [*in_own_name_space(), "env", f"LD_PRELOAD={preload}", *command]
            self.spawn(command, "virtiofsd.log", allow_many_files, pass_fds=(listener.fileno(),))
            connection = socket.socket(socket.AF_UNIX)
            connection.connect(path)
        return connection
