"""A machine that stays up between commands: many tests to one boot.

A session is a directory. `start` boots a machine whose server listens on a socket there; `execute`
runs one command through it, starting it again where it has gone down; `stop` ends it. It ends by
itself with the process that owns it, so an interrupted ctest leaves nothing running. Commands that
come at once wait for one another.
"""

import contextlib
import fcntl
import os
import pathlib
import select
import signal
import socket
import struct
import subprocess
import sys
import time

import frames
import machine

HERE = pathlib.Path(__file__).resolve().parent
STOP = ord("Q")  # to the server, beside the frames for the machine


def report(text):
    print(f"nested: {text}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def inside(directory):
    """A socket's name may have 107 bytes, a directory's more: it is reached by a relative name."""
    before = os.getcwd()
    os.chdir(directory)
    try:
        yield
    finally:
        os.chdir(before)


def connect(directory):
    """A connection to the session's server, or None."""
    connection = socket.socket(socket.AF_UNIX)
    try:
        with inside(directory):
            connection.connect("socket")
        return connection
    except OSError:
        connection.close()
        return None


# The server.


def receive_request(client):
    """The first frame and whatever follows it, or None where the client left before it was whole."""
    decoder = frames.Decoder()
    while True:
        data = client.recv(65536)
        if not data:
            return None
        for kind, payload in decoder.feed(data):
            return kind, payload


def serve_client(guest, client, owner):
    """Runs one command for a client. Returns False to end the session."""
    request = receive_request(client)
    if request is None:
        return True
    kind, payload = request
    if kind == STOP:
        return False

    def to_client(kind, payload):
        with contextlib.suppress(OSError):  # that it left is noticed by guest.run
            client.sendall(frames.encode(kind, payload))

    to_client(frames.READY, b"")  # from here on it may have run
    try:
        status = guest.request(frames.encode(kind, payload), to_client, float("inf"), client, owner)
        to_client(frames.EXIT, struct.pack("=I", status))
    except machine.Left:
        return not select.select([owner], [], [], 0)[0]
    except machine.Down as error:
        to_client(frames.FATAL, str(error).encode())
        return False
    return True


def serve(directory, owner_pid, make_machine, booted):
    """Boots the machine, calls booted(), and serves until told to stop or until the owner ends."""
    try:
        owner = os.pidfd_open(owner_pid)
    except ProcessLookupError:
        return
    with make_machine() as guest, socket.socket(socket.AF_UNIX) as listener, inside(directory):
        with contextlib.suppress(FileNotFoundError):
            os.unlink("socket")
        listener.bind("socket")
        listener.listen(64)
        booted()
        going = True
        while going:
            guest.rest()
            ready, _, _ = select.select([listener, owner, guest.receive_fd], [], [])
            guest.wake()
            if listener not in ready:
                break  # the owner has ended, or the machine
            client, _ = listener.accept()
            with client:
                going = serve_client(guest, client, owner)
        os.unlink("socket")


# Its clients.


def start(directory, owner_pid, options):
    """Boots the session's machine unless it is up. Raises machine.Unavailable or machine.Down."""
    directory.mkdir(parents=True, exist_ok=True)
    with open(directory / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        running = connect(directory)
        if running is not None:
            running.close()
            return
        with open(directory / "server.log", "w+") as log:
            server = subprocess.Popen(
                [sys.executable, HERE / "nested.py", "serve", "--session", directory,
                 "--owner", str(owner_pid), *options],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log,
                start_new_session=True)
            word = server.stdout.readline()
            server.stdout.close()
            if word == b"booted\n":
                return
            status = server.wait()
            log.seek(0)
            said = log.read().strip().removeprefix("nested: ")
            raise (machine.Unavailable if status == 6 else machine.Down)(said)


class NotServed(Exception):
    """The session ended before it came to this command, none of which has run."""


def execute(directory, owner_pid, options, argv):
    """Runs argv on the session's machine, passes on its output, returns its status."""
    for _ in range(5):
        start(directory, owner_pid, options)
        try:
            return request(directory, argv)
        except NotServed:
            continue
    raise machine.Down("the session keeps ending")


def request(directory, argv):
    connection = connect(directory)
    if connection is None:
        raise NotServed
    interrupted = []
    signal.signal(signal.SIGINT, lambda number, _: interrupted.append(number))
    served = False
    with connection:
        try:
            connection.sendall(frames.encode_run(os.getcwd(), argv, dict(os.environ)))
        except OSError:
            raise NotServed from None
        decoder = frames.Decoder()
        while True:
            # A signal makes this look again within a moment, whether or not it interrupts the wait.
            readable, _, _ = select.select([connection], [], [], 0.5)
            while interrupted:
                number = interrupted.pop()
                connection.sendall(frames.encode(frames.SIGNAL, struct.pack("=I", number)))
            if not readable:
                continue
            try:
                data = connection.recv(65536)
            except ConnectionResetError:
                data = b""
            if not data and not served:
                raise NotServed
            if not data:
                raise machine.Down("the session ended in the middle of a command")
            for kind, payload in decoder.feed(data):
                served = True
                if kind == frames.EXIT:
                    return struct.unpack("=I", payload)[0]
                if kind == frames.FATAL:
                    raise machine.Down(payload.decode(errors="replace"))
                if kind == frames.READY:
                    continue
                file = sys.stdout if kind == frames.OUT else sys.stderr
                file.buffer.write(payload)
                file.buffer.flush()


def stop(directory):
    """Ends the session's machine, and waits until it has."""
    connection = connect(directory)
    if connection is None:
        return
    with connection:
        connection.sendall(frames.encode(STOP))
        connection.recv(1)
    deadline = time.monotonic() + 10
    while (directory / "socket").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
