#!/usr/bin/env python3
"""Checks that runs of the code are paths of its model (trace.pml), by what the code marks.

trace.py RECORDER [--mutant]

RECORDER, of the code or of a mutant of it, is run several times. Each run of the code has to be
accepted, and, damaged in one mark, rejected; of a mutant's, one has to be rejected.
"""

import argparse
import pathlib
import random
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
CODE = HERE.parent.parent / "src" / "rendezvous"
CPUS = 4      # of the model; a run may have fewer
THREADS = 8   # and two that are no vCPU, with two numbers each
RUNS = [(1, 3, 300), (2, 4, 200), (3, 2, 300), (4, 4, 200), (5, 3, 300)]  # seed, vCPUs, operations
MEMORY_MIB = 1000
# Without these a run says less, and may still be one: a look at a hint, a wait that is waited again,
# a deadline that passes when nothing is left to start.
MAY_BE_MISSED = {"Pending", "Waits", "Late"}


def marks():
    """Numbers the marks, which the code and the model must agree on."""
    code = set()
    for file in [*CODE.glob("*.h"), *CODE.glob("*.cc")]:
        code |= set(re.findall(r'\bMark\(\s*"(\w+)"', file.read_text()))
    text = (HERE / "core.pml").read_text() + (HERE / "trace.pml").read_text()
    text = re.sub(r"#define\s+MARK\(.*", "", text)
    model = set(re.findall(r"\b(?:MARK|IS_NEXT)\((\w+)", text)) | {"Late"}
    model.discard("name")
    if code != model:
        sys.exit(f"marked in the code alone: {sorted(code - model)}; in the model alone: "
                 f"{sorted(model - code)}")
    return {name: number for number, name in enumerate(sorted(code) + ["End"], 1)}


class Model:
    """Searches for the path of a run."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.numbers = numbers = marks()
        macros = [f"-DCPUS={CPUS}", f"-DMARKING_THREADS={THREADS}",
                  *(f"-DMARK_{name}={number}" for name, number in numbers.items())]
        for command in (["spin", *macros, "-a", HERE / "trace.pml"],
                        ["gcc", "-w", "-O0", "-DSAFETY", "-DNOCLAIM", "-DVECTORSZ=4096",
                         f"-DMEMLIM={MEMORY_MIB}", "-o", "pan", "pan.c"]):
            done = subprocess.run(command, cwd=self.directory, text=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            if done.returncode != 0 or "Error:" in done.stdout:
                sys.exit(done.stdout)

    def follow(self, run):
        """Whether the run is a path of the model, and how far it goes."""
        lines = [[thread, self.numbers[name], *values] for thread, name, *values in run]
        lines.append([255, self.numbers["End"], 0, 0, 0, 0, 0])
        (self.directory / "run").write_text(
            "".join(" ".join(str(word) for word in line) + "\n" for line in lines))
        text = subprocess.run(["./pan", "-E", "-w16", f"-m{30 * len(lines) + 1000}"], cwd=self.directory,
                              text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT).stdout
        cut = re.search(r"max search depth too small|out of memory|VECTORSZ|reached -DMEMLIM", text)
        reached = re.search(r"farthest (\d+) of", text)
        if cut or not reached:
            sys.exit(f"the search is incomplete:\n{text}")
        accepted = f"assertion violated (next_what!={self.numbers['End']})" in text
        broken = re.search(r"assertion violated \(?.*", text)
        why = broken.group(0) if broken and not accepted else "the model takes another step"
        return accepted, int(reached.group(1)), why


def record(recorder, seed, cpus, operations, directory):
    file = pathlib.Path(directory) / "record"
    status = subprocess.run([recorder, file, str(seed), str(cpus), str(operations)]).returncode
    run = []
    for line in file.read_text().splitlines():
        thread, name, *values = line.split()
        run.append((int(thread), name, *(int(value) for value in values)))
    return status, run


def show(run, position):
    for at in range(max(0, position - 12), min(len(run), position + 3)):
        thread, name, *values = run[at]
        print(f"{'-->' if at == position else '   '} {at:6} thread {thread}: {name}", *values)


def damage(run, rng):
    """Runs that differ in one mark from this one, and say so."""
    by_name = {}
    for at, mark in enumerate(run):
        by_name.setdefault(mark[1], []).append(at)
    for name, places in sorted(by_name.items()):
        if name in MAY_BE_MISSED:
            continue
        at = rng.choice(places)
        yield f"without {name} at {at}", run[:at] + run[at + 1:]
        yield f"with {name} at {at} twice", run[:at + 1] + run[at:]
        thread, _, first, *values = run[at]
        if name not in ("Return", "GiveUpTurn"):
            yield f"with another {name} at {at}", [*run[:at], (thread, name, first ^ 1, *values),
                                                   *run[at + 1:]]


def seen(run):
    """What a run has to have in it, to be worth following: by mark, and cases of them."""
    for thread, name, *values in run:
        yield name
        if name == "Claim" and thread != values[0]:
            yield "a part taken by a helper" if thread >= CPUS else "a part taken by another vCPU"
        if name == "Join" and values[1]:
            yield "a vCPU that joins held"
        if name == "EndRound" and values[1]:
            yield "a vCPU that left"
        if name == "Queue" and values[3]:
            yield "a call through a standstill"
        if name == "Queue" and values[1] and values[3]:
            yield "a standstill in another"


EVERYTHING = {"a part taken by a helper", "a part taken by another vCPU", "a vCPU that joins held",
              "a vCPU that left", "a call through a standstill", "a standstill in another"}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("recorder", type=pathlib.Path)
    parser.add_argument("--mutant", action="store_true")
    args = parser.parse_args()
    happened, bad = set(), 0
    rng = random.Random(1)
    with tempfile.TemporaryDirectory() as directory:
        model = Model(directory)
        for seed, cpus, operations in RUNS * 3 if args.mutant else RUNS:
            status, run = record(args.recorder, seed, cpus, operations, directory)
            accepted, reached, why = model.follow(run)
            ended = {0: "", 1: ", with violations", 3: ", which hung"}[status]
            print(f"run {seed} of {cpus} vCPUs{ended}, {len(run)} marks: "
                  f"{'accepted' if accepted else f'rejected at {reached}: {why}'}")
            if args.mutant:
                if not accepted:
                    show(run, reached)
                    return 0
                continue
            if not accepted or status != 0:
                show(run, reached)
                bad += 1
                continue
            happened |= set(seen(run))
            for how, damaged in damage(run, rng) if seed == 1 else []:
                if model.follow(damaged)[0]:
                    print("accepted too:", how)
                    bad += 1
    if args.mutant:
        print("no run of the mutant was rejected")
        return 1
    missing = (set(model.numbers) | EVERYTHING) - happened - {"End"}
    if missing:
        print("in none of the runs:", *sorted(missing), sep="\n  ")
    return 1 if bad or missing else 0


if __name__ == "__main__":
    sys.exit(main())
