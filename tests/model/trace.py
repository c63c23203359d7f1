#!/usr/bin/env python3
"""Checks that runs of the code are paths of its model, by what the code marks.

trace.py PROTOCOL RECORDER [--mutant]

PROTOCOL is rendezvous (trace.pml) or doorbell (kick_trace.pml). RECORDER, of the code or of a mutant
of it, is run several times. Each run of the code has to be accepted, and, damaged in one mark,
rejected; of a mutant's, one has to be rejected.
"""

import argparse
import pathlib
import random
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
SOURCES = HERE.parent.parent / "src"
MEMORY_MIB = 1000
CPUS = 4  # of either model


class RendezvousRuns:
    code = [*(SOURCES / "rendezvous").glob("*.h"), *(SOURCES / "rendezvous").glob("*.cc")]
    models = ["trace.pml", "core.pml"]
    named = r"\b(?:MARK|IS_NEXT)\((\w+)"
    macros = ["-DMARKING_THREADS=8"]  # and two that are no vCPU, with two numbers each
    runs = [(1, 3, 300), (2, 4, 200), (3, 2, 300), (4, 4, 200), (5, 3, 300)]  # seed, vCPUs, operations
    unit = "vCPUs"
    # Without these a run says less, and may still be one: a look at a hint, a wait that is waited
    # again, a deadline that passes when nothing is left to start.
    may_be_missed = {"Pending", "Waits", "Late"}
    without_value = {"Return", "GiveUpTurn"}
    marked_by_nobody = {"Late"}

    cases = {"a part taken by a helper", "a part taken by another vCPU", "a vCPU that joins held",
             "a vCPU that left", "a call through a standstill", "a standstill in another"}

    @staticmethod
    def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("protocol", choices=PROTOCOLS)
    parser.add_argument("recorder", type=pathlib.Path)
    parser.add_argument("--mutant", action="store_true")
    args = parser.parse_args()
    protocol = PROTOCOLS[args.protocol]
    happened, bad = set(), 0
    rng = random.Random(1)
    with tempfile.TemporaryDirectory() as directory:
        model = Model(protocol, directory)
        for seed, threads, operations in protocol.runs * 3 if args.mutant else protocol.runs:
            status, run = record(protocol, args.recorder, seed, threads, operations, directory)
            accepted, reached, why = model.follow(run)
            ended = {0: "", 1: ", with violations", 3: ", which hung"}[status]
            print(f"run {seed} of {threads} {protocol.unit}{ended}, {len(run)} marks: "
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
            happened |= {name for _, name, *_ in run} | set(protocol.seen(run))
            for how, damaged in damage(protocol, run, rng) if seed == 1 else []:
                if model.follow(damaged)[0]:
                    print("accepted too:", how)
                    bad += 1
    if args.mutant:
        print("no run of the mutant was rejected")
        return 1
    # What a run has to have in it, to be worth following.
    missing = (set(model.numbers) | protocol.cases) - happened - {"End"}
    if missing:
        print("in none of the runs:", *sorted(missing), sep="\n  ")
    return 1 if bad or missing else 0


if __name__ == "__main__":
    sys.exit(main())
