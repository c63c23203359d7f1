#!/usr/bin/env python3
"""Runs a command on an emulated machine that has a KVM of its own.

    nested.py run [MACHINE] [--time-limit SECONDS] -- COMMAND [ARGUMENT...]
    nested.py start [MACHINE] --session DIRECTORY
    nested.py exec [MACHINE] --session DIRECTORY -- COMMAND [ARGUMENT...]
    nested.py stop --session DIRECTORY

MACHINE says on what. Nothing: Debian's kvm_amd on QEMU. The guest sees this machine's files; only
the repository, the current directory, /tmp and /var/tmp can be written.
--intel [--cpus N] [--with PATH]...: Debian's kvm_intel on Bochs, which boots in 15 to 30 seconds. The
guest sees the PATHs, the program of COMMAND and files among its arguments, and the libraries that
these need; what it writes is lost.

COMMAND's output comes as it is made, its exit status is ours. Our own: 2 usage,
6 nothing here to emulate with, 12 time limit, 14 the machine failed, 130 Ctrl-C.

A session keeps one machine up for many commands, until `stop` or until the process ends that started
it first. Its verbs are made for tests: where there is nothing to emulate with they end with 77.
"""

import argparse
import os
import pathlib
import shutil
import signal
import sys

import bochs
import frames
import kernel
import machine
import qemu
import session
from session import report

SKIPPED = 77


def write_out(kind, payload):
    file = sys.stdout if kind == frames.OUT else sys.stderr
    file.buffer.write(payload)
    file.buffer.flush()


def make(arguments):
    if arguments.intel:
        command = getattr(arguments, "command", [])
        content = [path for path in command[1:] if os.path.isfile(path)] + arguments.content
        if arguments.with_list:
            content += arguments.with_list.read_text().splitlines()
        content += [shutil.which(program) or program for program in command[:1]]
        return bochs.Bochs(report, content, arguments.cpus)
    wanted = {str(kernel.REPOSITORY), os.getcwd(), "/tmp", "/var/tmp"}
    return qemu.Qemu(report, sorted(wanted - {"/"}, key=len))


BOOTS = 3


def boot(arguments):
    """An emulated machine now and then stands still while it boots, of which no command knows yet."""
    for left in reversed(range(BOOTS)):
        try:
            return make(arguments)
        except machine.Down as error:
            if left == 0:
                raise
            report(f"{error}\nnested: boots again")
    raise AssertionError


def run(arguments):
    with boot(arguments) as guest:
        return guest.run(os.getcwd(), arguments.command, dict(os.environ), write_out,
                         arguments.time_limit)


def serve(arguments):
    def booted():
        print("booted", flush=True)
        with open(os.devnull, "wb") as nothing:
            os.dup2(nothing.fileno(), sys.stdout.fileno())

    session.serve(arguments.session, arguments.owner, lambda: boot(arguments), booted)
    return 0


def options(arguments):
    """What boot() is to be told in another process."""
    if not arguments.intel:
        return []
    return ["--intel", "--cpus", str(arguments.cpus),
            *(["--with-list", arguments.with_list] if arguments.with_list else []),
            *(word for path in arguments.content for word in ("--with", path))]


def in_session(action):
    """A verb of a session: owned by whoever started this process, as ctest does with a test."""
    def verb(arguments):
        try:
            return action(arguments) or 0
        except machine.Unavailable as error:
            report(f"skipped: {error}")
            return SKIPPED
    return verb


@in_session
def start(arguments):
    session.start(arguments.session, os.getppid(), options(arguments))


@in_session
def execute(arguments):
    return session.execute(arguments.session, os.getppid(), options(arguments), arguments.command)


def stop(arguments):
    session.stop(arguments.session)
    return 0


class Parser(argparse.ArgumentParser):
    def error(self, message):
        report(f"{message}. What to run comes after --: ./dev nested -- build/release/bin/muster doctor")
        sys.exit(2)


def parse():
    parser = Parser(prog="nested", description=__doc__.splitlines()[0])
    verbs = parser.add_subparsers(dest="verb", required=True)

    def add(name, function):
        verb = verbs.add_parser(name)
        verb.set_defaults(function=function)
        if function is not run:
            verb.add_argument("--session", type=pathlib.Path, required=True, metavar="DIRECTORY")
        # Also where they say nothing, so that all verbs of a session can be given the same.
        verb.add_argument("--intel", action="store_true")
        verb.add_argument("--cpus", type=int, default=1, metavar="N")
        verb.add_argument("--with", dest="content", action="append", default=[], metavar="PATH")
        verb.add_argument("--with-list", type=pathlib.Path, metavar="FILE")
        return verb

    add("run", run).add_argument("--time-limit", type=float, default=600, metavar="SECONDS")
    add("start", start)
    add("stop", stop)
    add("serve", serve).add_argument("--owner", type=int, required=True, metavar="PID")
    add("exec", execute)
    for name in ("run", "exec"):
        verbs.choices[name].add_argument("command", nargs="+", metavar="COMMAND")
    return parser.parse_args()


def main():
    # Whatever ends us, the machine and its helper end too.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    arguments = parse()
    try:
        return arguments.function(arguments)
    except machine.Unavailable as error:
        report(str(error))
        return 6
    except machine.TimeLimit:
        report("ended by the time limit")
        return 12
    except machine.Down as error:
        report(str(error))
        return 14
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
