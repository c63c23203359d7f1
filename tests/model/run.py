#!/usr/bin/env python3
"""Checks a Promela model exhaustively, or shows that a mutant of it fails.

run.py MODEL.pml CHECK [--mutant NAME] [--define MACRO]... [--cpus N] [--collapse]

CHECK is `safety` (assertions, deadlocks) or `liveness` (the model's ltl formula under weak
fairness). A model passes if the search was complete and found nothing; a mutant, if the search
found what its check is for: an assertion violated or a deadlock, or for liveness a cycle that the
formula forbids. All else, a search that was cut short included, is a failure.
"""

import argparse
import pathlib
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
MEMORY_MIB = 3500
DEPTH = 2_000_000
COMPILE = ["gcc", "-w", f"-DMEMLIM={MEMORY_MIB}", "-DVECTORSZ=4096"]
CHECKS = {
    "safety": (["-DSAFETY", "-DNOCLAIM"], []),
    "liveness": (["-DNFAIR=4"], ["-a", "-f"]),
}
# What makes a search incomplete; pan says so and exits with 0.
CUT_SHORT = ["max search depth too small", "Search not completed", "out of memory",
             "reached -DMEMLIM", "VECTORSZ", "-DNFAIR", "hash-compact", "Bit statespace", "aborting"]
ERRORS = r"pan:1: (assertion violated.*|acceptance cycle.*|invalid end state.*)"
# How a mutant has to fail. A liveness search looks at assertions too, and one that a mutant violates
# says nothing of the formula. That all threads are stuck is a cycle there: the formula's own steps.
FAILS_BY = {"safety": ("assertion violated", "invalid end state"), "liveness": ("acceptance cycle",)}


def run(command, directory):
    done = subprocess.run(command, cwd=directory, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)
    return done.returncode, done.stdout


def build(model, check, macros, compile_flags, directory):
    """Translates and compiles; returns the command that searches."""
    search_flags = CHECKS[check][1]
    status, text = run(["spin", *macros, "-a", model], directory)
    if status != 0 or "Error:" in text:
        sys.exit(text)
    status, text = run([*COMPILE, *CHECKS[check][0], *compile_flags, "-o", "pan", "pan.c"], directory)
    if status != 0:
        sys.exit(text)
    return ["./pan", f"-m{DEPTH}", *search_flags]


def number(pattern, text):
    found = re.search(pattern, text)
    return found.group(1) if found else "?"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("check", choices=CHECKS)
    parser.add_argument("--mutant")
    parser.add_argument("--define", action="append", default=[], metavar="MACRO")
    parser.add_argument("--cpus", type=int, default=3)
    parser.add_argument("--collapse", action="store_true",
                        help="takes half the memory, and up to twice the time")
    args = parser.parse_args()

    model = (HERE / args.model).resolve()
    macros = [f"-DCPUS={args.cpus}", *(f"-D{name}" for name in args.define)]
    compile_flags = ["-O0" if args.mutant else "-O2"]  # a mutant fails before -O2 has paid
    if args.collapse:
        compile_flags.append("-DCOLLAPSE")
    if args.check == "liveness":
        macros.append("-DLIVENESS")
    if args.mutant:
        # A name that the model does not have would be a mutant that equals it.
        sources = model.read_text() + (HERE / "core.pml").read_text()
        if not re.search(rf"#\s*if.*\b{args.mutant}\b", sources):
            sys.exit(f"{model.name} has no mutant {args.mutant}")
        macros.append(f"-D{args.mutant}")

    with tempfile.TemporaryDirectory() as directory:
        status, text = run(build(model, args.check, macros, compile_flags, directory), directory)
        error = re.search(ERRORS, text)
        print(f"{model.name} {args.check} {args.mutant or ''}: "
              f"{number(r'([0-9.e+]+) states, stored', text)} states, "
              f"depth {number(r'depth reached ([0-9]+)', text)}, "
              f"{number(r'([0-9.]+).total actual memory', text)} MiB, "
              f"{number(r'elapsed time ([0-9.e+-]+)', text)} s")
        if args.mutant:
            if error and error.group(1).startswith(FAILS_BY[args.check]):
                print("as it should, the mutant fails:", error.group(1))
                return 0
            print(text, "the mutant passes, fails by something else, or was not searched", sep="\n")
            return 1
        cut = [phrase for phrase in CUT_SHORT if phrase in text]
        if status == 0 and not cut and "errors: 0" in text and not error:
            return 0
        print(text)
        if cut:
            print("the search is incomplete:", *cut)
        if error:
            trace = run(["spin", *macros, "-k", f"{model.name}.trail", "-p", "-g", model], directory)[1]
            print(*trace.splitlines()[-300:], sep="\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
