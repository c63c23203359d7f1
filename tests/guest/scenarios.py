#!/usr/bin/env python3
"""scenarios.py MUSTER RUNS: each run of every scenario ends as it is due to, and the variants of one
have the same gates: each CPU comes to the same ones, as far as its run goes."""

import argparse
import json
import subprocess
import sys
import tempfile


def run(muster, runs):
    """The status and the report."""
    with tempfile.NamedTemporaryFile("r", prefix="muster-suite-") as report:
        done = subprocess.run(
            [muster, "stress", "--suite", "--runs", str(runs), "--json", report.name],
            stderr=subprocess.STDOUT, check=False)
        text = report.read()
    if done.returncode == 6:
        sys.exit(77)
    return done.returncode, json.loads(text)["scenarios"] if text else []


def name_of(scenario):
    return f"{scenario['id']}/{scenario['variant']}"


def differences(scenarios):
    most = {}
    for scenario in scenarios:
        # The variants of this one are two interleavings of one policy.
        if scenario["id"] == "rv-entry-wait":
            continue
        for cpu, gates in enumerate(scenario["gates"]):
            known = most.setdefault((scenario["id"], cpu), set(gates))
            # What a fix changes is the order and how often; what a failed run lacks, it did not
            # come to.
            if not (known <= set(gates) or set(gates) <= known):
                yield f"{name_of(scenario)} cpu {cpu}: {gates}, elsewhere {known}"
            known |= set(gates)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("muster")
    parser.add_argument("runs", type=int)
    args = parser.parse_args()
    status, scenarios = run(args.muster, args.runs)
    wrong = list(differences(scenarios))
    print("\n".join(wrong), file=sys.stderr)
    if not scenarios:
        print("no scenario was run", file=sys.stderr)
    return 1 if wrong or not scenarios or status != 0 else 0


sys.exit(main())
