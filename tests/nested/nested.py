#!/usr/bin/env python3
"""Runs a command on an emulated machine that has a KVM of its own.

    nested.py run [--time-limit SECONDS] -- COMMAND [ARGUMENT...]

The guest sees this machine's files; only the repository, the current directory, /tmp and /var/tmp
can be written. COMMAND's output comes as it is made, its exit status is ours. Our own: 2 usage,
6 nothing here to emulate with, 12 time limit, 14 the machine failed, 130 Ctrl-C.
"""

import argparse
import os
import signal
import sys

import frames
import kernel
import machine


def report(text):
    print(f"nested: {text}", file=sys.stderr, flush=True)


def write_out(kind, payload):
    file = sys.stdout if kind == frames.OUT else sys.stderr
    file.buffer.write(payload)
    file.buffer.flush()


def writable_directories():
    wanted = [str(kernel.REPOSITORY), os.getcwd(), "/tmp", "/var/tmp"]
    return sorted({directory for directory in wanted if directory != "/"}, key=len)


def run(arguments):
    with machine.Qemu(report, writable=writable_directories()) as guest:
        return guest.run(os.getcwd(), arguments.command, dict(os.environ), write_out,
                         arguments.time_limit)


def parse():
    parser = argparse.ArgumentParser(prog="nested", description=__doc__.splitlines()[0])
    verbs = parser.add_subparsers(dest="verb", required=True)
    one = verbs.add_parser("run")
    one.add_argument("--time-limit", type=float, default=600, metavar="SECONDS")
    one.add_argument("command", nargs="+", metavar="COMMAND")
    one.set_defaults(function=run)
    return parser.parse_args()


def main():
    # Whatever ends us, the machine and its helper end too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    signal.signal(signal.SIGHUP, lambda *_: sys.exit(128 + signal.SIGHUP))
    arguments = parse()
    try:
        return arguments.function(arguments)
    except machine.Unavailable as error:
        report(str(error))
        return 6
    except machine.TimeLimit:
        report("the time limit ended it")
        return 12
    except machine.Down as error:
        report(str(error))
        return 14
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
