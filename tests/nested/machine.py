"""An emulated machine: what all kinds have in common, and how a command runs on one."""

import contextlib
import ctypes
import os
import pathlib
import re
import selectors
import shutil
import signal
import struct
import subprocess
import tempfile
import time

import frames
import kernel
from kernel import Unavailable


class Down(Exception):
    """The machine is gone, or does not answer."""


class TimeLimit(Exception):
    """The command ran longer than it may."""


class Left(Exception):
    """Whoever asked for the command has gone."""


def die_with_parent():
    """In a child: end when the process that started it ends, however that comes about; and take no
    part in what the terminal sends."""
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)
    os.setsid()


def need(program, package):
    path = shutil.which(program) or shutil.which(program, path="/usr/lib/qemu:/usr/sbin:/sbin")
    if path is None:
        raise Unavailable(f"{program} is missing: ./dev setup installs it (package {package})")
    return path


class Machine:
    """A running guest that executes commands, one at a time.

    Subclasses give start(), which leaves frames' descriptors in self.receive_fd and self.send_fd.
    """

    backend = None  # a key of kernel.MODULES
    boot_limit = None  # seconds, many times what it takes
    proof = ()  # a command that ends at once, if there is one
    writable = ()  # the host's directories that the guest may write

    def __init__(self, report):
        self.report = report
        self.children = []
        self.decoder = frames.Decoder()
        self.pending = []
        self.cleanup = contextlib.ExitStack()
        self.scratch = pathlib.Path(self.cleanup.enter_context(
            tempfile.TemporaryDirectory(prefix="muster-nested-")))
        try:
            self.kernel = kernel.kernel(report)
            self.initramfs = self.scratch / "initramfs"
            kernel.initramfs(self.initramfs, self.backend, self.kernel, self.writable)
            self.start()
            self._await_boot()
        except BaseException:
            self.close()
            raise

    def rest(self):
        """Nothing will be asked of it for a while."""

    def wake(self):
        """Something will."""

    def close(self):
        for child in self.children:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()
        self.children = []
        self.cleanup.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def spawn(self, command, log, prepare=die_with_parent, **options):
        with open(self.scratch / log, "wb") as output:
            child = subprocess.Popen(command, preexec_fn=prepare, stderr=output,
                                     **{"stdin": subprocess.DEVNULL, "stdout": output, **options})
        self.children.append(child)
        return child

    def tail(self):
        """What the logs say of the end: their last lines, and the kernel's first cry."""
        noise = re.compile(r"\s*$|fv_|virtio_loop|.*TCG doesn't support requested feature")
        cry = re.compile(r"kernel BUG|BUG:|Oops|Kernel panic|soft lockup|nested guest:")
        lines = []
        for log in sorted(self.scratch.glob("*.log")):
            said = [line for line in log.read_text(errors="replace").splitlines()
                    if not noise.match(line)]
            said = [line for line in said[:-5] if cry.search(line)][:3] + said[-5:]
            lines += [f"  {log.stem}: {line}" for line in said]
        return "\n".join(lines)

    def send(self, data):
        try:
            while data:
                data = data[os.write(self.send_fd, data):]
        except OSError as error:
            raise Down(f"the machine hung up ({error.strerror})\n{self.tail()}") from None

    def run(self, directory, argv, environment, sink, limit):
        """Runs argv and returns its status; sink(kind, bytes) takes its output as it comes."""
        return self.request(frames.encode_run(directory, argv, environment), sink, limit)

    def request(self, frame, sink, limit, control=None, owner=None):
        """As run(), for a RUN frame.

        control: a socket whose SIGNAL frames go to the command, and whose end kills it (Left).
        owner: a descriptor that becomes readable when all this has to end (Left).
        Ctrl-C goes to the command; a second one ends the machine, or a command that does not end.
        """
        self.send(frame)
        interrupts = 0
        deadline = time.monotonic() + limit
        while True:
            try:
                for kind, payload in self._next(deadline, control, owner):
                    if kind == frames.EXIT:
                        self._await_ready(time.monotonic() + 60)
                        return struct.unpack("=I", payload)[0]
                    sink(kind, payload)
            except KeyboardInterrupt:
                interrupts += 1
                if interrupts > 1:
                    raise
                self.signal(signal.SIGINT)
                deadline = min(deadline, time.monotonic() + 5)
            except (TimeLimit, Left):
                if interrupts:
                    raise KeyboardInterrupt from None
                self._abandon()
                raise

    def signal(self, number):
        self.send(frames.encode(frames.SIGNAL, struct.pack("=I", number)))

    def _abandon(self):
        """Kills the command, so that the next can run; raises Down where that does not help."""
        self.signal(signal.SIGKILL)
        try:
            self._await_ready(time.monotonic() + 60)
        except TimeLimit:
            raise Down(f"the machine does not answer\n{self.tail()}") from None

    def _await_boot(self):
        try:
            self._await_ready(time.monotonic() + self.boot_limit)
            if self.proof:  # that it does not stand still
                self.run("/", self.proof, {}, lambda kind, payload: None, self.boot_limit / 2)
        except TimeLimit:
            raise Down(f"the machine did not boot in {self.boot_limit} s\n{self.tail()}") from None

    def _await_ready(self, deadline):
        while True:
            for kind, payload in self._next(deadline):
                if kind == frames.READY:
                    return

    def _next(self, deadline, control=None, owner=None):
        """The frames that have come, at least one. Each is handed out once, also if the caller
        stops early."""
        while not self.pending:
            self._wait(deadline, control, owner)
        while self.pending:
            kind, payload = self.pending.pop(0)
            if kind == frames.FATAL:
                raise Down(payload.decode(errors="replace").strip() + "\n" + self.tail())
            yield kind, payload

    def _wait(self, deadline, control, owner):
        with selectors.DefaultSelector() as selector:
            selector.register(self.receive_fd, selectors.EVENT_READ)
            for other in (control, owner):
                if other is not None:
                    selector.register(other, selectors.EVENT_READ)
            remaining = deadline - time.monotonic()
            timeout = None if remaining == float("inf") else max(0, remaining)
            ready = [key.fileobj for key, _ in selector.select(timeout)]
        if not ready:
            raise TimeLimit
        if owner is not None and owner in ready:
            raise Left
        if control is not None and control in ready:
            self._obey(control)
        if self.receive_fd in ready:
            try:
                data = os.read(self.receive_fd, 65536)
            except OSError:
                data = b""
            if not data:
                raise Down(f"the machine went down\n{self.tail()}")
            self.pending += self.decoder.feed(data)

    def _obey(self, control):
        data = control.recv(4096)
        if not data:
            raise Left
        for kind, payload in frames.Decoder().feed(data):
            if kind == frames.SIGNAL:
                self.send(frames.encode(kind, payload))
