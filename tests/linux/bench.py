#!/usr/bin/env python3
"""How long Linux takes to its first program on muster, beside QEMU with KVM's in-kernel APIC.

    bench.py MUSTER [--cpus 1,2,4] [--runs 5] [--json FILE] [--markdown] [--idle SECONDS]

On the emulated machine's stock kvm_amd, runs alternating; the same CPUID as far as QEMU's options go,
serial console alone, no HPET, network or screen. Time is the guest's own from its clock's start to
init; exits are KVM's own count of each (debugfs) up to there. Ends with 1 where a bound is missed.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys

import files

HERE = pathlib.Path(__file__).resolve().parent
NESTED = [HERE.parent / "nested" / "nested.py"]
MOST = 1.3  # times what QEMU takes


def options():
    parser = argparse.ArgumentParser()
    parser.add_argument("muster")
    parser.add_argument("--cpus", default="1,2,4")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--idle", type=int, default=10, help="seconds; 0: not measured")
    parser.add_argument("--json")
    parser.add_argument("--markdown", action="store_true")
    return parser.parse_args()


def measure(arguments):
    """All runs, on one machine: the lines that measure.py prints."""
    case = {"muster": arguments.muster, "image": str(files.cloud_kernel()),
            "initrd": str(files.initrd()), "runs": arguments.runs, "idle": arguments.idle,
            "cpus": [int(n) for n in arguments.cpus.split(",")]}
    # The session ends with this process.
    session = f"/tmp/muster-bench-linux-{os.getpid()}"
    command = [*NESTED, "exec", "--session", session, "--", "python3", HERE / "measure.py",
               json.dumps(case)]
    try:
        run = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        lines = []
        for line in run.stdout:
            print(line, end="", file=sys.stderr)
            if line.startswith("{"):
                lines.append(json.loads(line))
        if run.wait() != 0:
            sys.exit(f"bench: {' '.join(map(str, command[:4]))} ended with {run.returncode}")
        return lines
    finally:
        subprocess.run([*NESTED, "stop", "--session", session], check=False)


def median(rows, key):
    return statistics.median(row[key] for row in rows)


def results(rows):
    for cpus in sorted({row["cpus"] for row in rows}):
        ours, theirs = ([row for row in rows if row["cpus"] == cpus and row["vmm"] == vmm]
                        for vmm in ("muster", "qemu"))
        times = [row["init_s"] for row in ours]
        yield {"cpus": cpus, "muster_s": median(ours, "init_s"), "qemu_s": median(theirs, "init_s"),
               "muster_least_s": min(times), "muster_most_s": max(times), "runs": len(times),
               "ratio": median(ours, "init_s") / median(theirs, "init_s"),
               "exits": {vmm: {key: round(statistics.median(row["exits"].get(key, 0) for row in of))
                               for key in sorted({key for row in of for key in row["exits"]})}
                         for vmm, of in (("muster", ours), ("qemu", theirs))},
               "idle_exits_per_s": {vmm: round(statistics.median(row["idle"] for row in of), 1)
                                    for vmm, of in (("muster", ours), ("qemu", theirs))
                                    if all("idle" in row for row in of)}}


def table(all_results, markdown):
    bar = "|" if markdown else ""
    lines = [f"{bar} CPUs {bar} muster {bar} QEMU {bar} times {bar} wanted {bar} {bar}"]
    if markdown:
        lines.append("|---|---|---|---|---|---|")
    for result in all_results:
        verdict = "met" if result["ratio"] <= MOST else "missed"
        lines.append(f"{bar} {result['cpus']} {bar} {result['muster_s']:.2f} s {bar} "
                     f"{result['qemu_s']:.2f} s {bar} {result['ratio']:.2f} {bar} <= {MOST} {bar} "
                     f"{verdict} {bar}")
    lines.append("")
    keys = sorted({key for result in all_results for of in result["exits"].values() for key in of})
    lines.append(f"{bar} exits to init {bar} " + f" {bar} ".join(
        f"{vmm}, {result['cpus']}" for result in all_results for vmm in ("muster", "qemu")) + f" {bar}")
    if markdown:
        lines.append("|---|" + "---|" * (2 * len(all_results)))
    for key in keys:
        counts = [result["exits"][vmm].get(key, 0) for result in all_results
                  for vmm in ("muster", "qemu")]
        if any(counts):
            lines.append(f"{bar} {key} {bar} " + f" {bar} ".join(map(str, counts)) + f" {bar}")
    idle = [result["idle_exits_per_s"].get(vmm) for result in all_results for vmm in ("muster", "qemu")]
    if any(value is not None for value in idle):
        lines.append(f"{bar} exits per second, idle {bar} " + f" {bar} ".join(map(str, idle)) + f" {bar}")
    return "\n".join(lines)


def main():
    arguments = options()
    try:
        rows = measure(arguments)
    except files.Unavailable as error:
        print(f"bench: {error}", file=sys.stderr)
        return 6
    all_results = list(results(rows))
    print(table(all_results, arguments.markdown))
    if arguments.json:
        pathlib.Path(arguments.json).write_text(
            json.dumps({"schema": 1, "group": "linux", "wanted": MOST, "results": all_results}, indent=1)
            + "\n")
    return 0 if all(result["ratio"] <= MOST for result in all_results) else 1


if __name__ == "__main__":
    sys.exit(main())
