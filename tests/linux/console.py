"""A guest at a serial line, which is its process's standard input and output."""

import os
import select
import subprocess
import sys
import time


class Unexpected(Exception):
    """The guest did not say what it should have."""


class Console:
    """Runs a command and talks to its guest. What the guest says is passed on to stderr."""

    def __init__(self, command):
        self.started = time.monotonic()
        self.said = ""
        self.looked = 0  # how far expect() has come
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def type(self, text):
        os.write(self.process.stdin.fileno(), text.encode())

    def _more(self, deadline):
        """Takes in what comes; False at the end of it."""
        output = self.process.stdout.fileno()
        if not select.select([output], [], [], max(0, deadline - time.monotonic()))[0]:
            raise Unexpected("nothing more came")
        data = os.read(output, 65536)
        text = data.decode(errors="replace")
        sys.stderr.write(text)
        sys.stderr.flush()
        # The shell asks the terminal where its cursor is, which may come in two pieces.
        fresh = (self.said[self.looked:] + text).replace("\x1b[6n", "")
        self.said = self.said[:self.looked] + fresh
        return bool(data)

    def expect(self, text, seconds=240):
        """Waits until the guest says `text`; returns what it said before that, since the last one."""
        deadline = time.monotonic() + seconds
        while (at := self.said.find(text, self.looked)) < 0:
            try:
                if not self._more(deadline):
                    raise Unexpected(f"it ended with {self.process.wait()}")
            except Unexpected as why:
                raise Unexpected(f"waited for {text!r}: {why}") from None
        before = self.said[self.looked:at]
        self.looked = at + len(text)
        return before

    def end(self, seconds=120):
        """Waits for the process to end; its status."""
        deadline = time.monotonic() + seconds
        while self._more(deadline):
            pass
        return self.process.wait(timeout=max(1, deadline - time.monotonic()))
