#!/usr/bin/env python3
"""storm.py MUSTER IMAGE CPUS SEED OPS [WORDS]

Runs `storm` and compares what each CPU says it did and got with what follows from the seed.
MUSTER may be "qemu". Mirrors guest/basic/storm.
"""
import os
import subprocess
import sys

POST, CALL, NMI, SELF, ALL, TIMER, LOCK, RESTART = range(8)
NAMES = ["post", "call", "nmi", "self", "all", "timer", "lock", "restart"]
CHOICE = [POST] * 5 + [CALL] * 3 + [NMI] + [SELF] * 2 + [ALL, TIMER] + [LOCK] * 2 + [RESTART]
MASK = 0xFFFFFFFF


def numbers(seed, cpu, count):
    x = ((seed * 1024 + cpu) * 2654435761 & MASK) | 1
    for i in range(count + 4):
        x ^= x << 13 & MASK
        x ^= x >> 17
        x ^= x << 5 & MASK
        if i >= 4:
            yield x


def predict(cpus, seed, ops):
    players = cpus if cpus < 3 else cpus - 1
    done = [[0] * len(NAMES) for _ in range(players)]
    got = [[0, 0, 0] for _ in range(players)]  # posts, calls, NMIs
    for cpu in range(players):
        for number in numbers(seed, cpu, ops):
            operation = CHOICE[number >> 8 & 15]
            target = (number >> 16) % players
            done[cpu][operation] += 1
            if operation == POST:
                got[target][0] += 1
            elif operation == SELF:
                got[cpu][0] += 1
            elif operation == CALL:
                got[target][1] += 1
            elif operation == NMI:
                got[target][2] += 1
    for cpu in range(players):
        counts = ", ".join(f"{name} {n}" for name, n in zip(NAMES, done[cpu]))
        yield f"cpu {cpu}: {counts}; " + "got post {}, call {}, nmi {}".format(*got[cpu])


def main():
    muster, image, cpus, seed, ops, *words = sys.argv[1:]
    words = " ".join([f"seed={seed} ops={ops}"] + words)
    if muster == "qemu":
        command = ["qemu-system-x86_64", "-accel", "tcg", "-smp", cpus, "-kernel", image, "-append",
                   words, "-display", "none", "-serial", "stdio", "-no-reboot",
                   "-device", "isa-debug-exit,iobase=0xf4,iosize=4"]
    elif os.access(muster, os.X_OK):
        command = [muster, "run", image, "--cpus", cpus, "--cmdline", words, "--timeout", "120s"]
    else:
        print(f"skipped: there is no {muster}")
        return 77
    run = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if run.returncode == 6:
        print("skipped: no usable KVM:", run.stderr.strip())
        return 77
    said = run.stdout.splitlines()
    wanted = list(predict(int(cpus), int(seed), int(ops))) + ["storm passed"]
    if run.returncode == 0 and said[1:] == wanted:
        return 0
    print(run.stdout, run.stderr, f"FAIL: ended with {run.returncode}", sep="\n")
    for line in wanted:
        if line not in said:
            print("not said:", line)
    return 1


if __name__ == "__main__":
    sys.exit(main())
