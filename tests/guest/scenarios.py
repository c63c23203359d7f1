#!/usr/bin/env python3
"""scenarios.py MUSTER RUNS [--emulated]: each run of every scenario ends as it is due to, and the
variants of one have the same gates: each CPU comes to the same ones, as far as its run goes.

--emulated: QEMU's SVM carries the KVM, which now and then breaks the processor's rules (see
docs/architecture.md, "KVMs to test on"). Where a run that did not end as due shows that it did, by
what `muster stress` prints of it, that variant's runs are made again, a few times at most.
"""

import argparse
import json
import pathlib
import re
import subprocess
import sys
import tempfile

HALT = pathlib.Path(__file__).resolve().parents[2] / "guest" / "runtime" / "halt.S"
ATTEMPTS = 5


def run(muster, runs, only=()):
    """The status, the report, and what was printed."""
    with tempfile.NamedTemporaryFile("r", prefix="muster-suite-") as report:
        done = subprocess.run(
            [muster, "stress", "--suite", *only, "--runs", str(runs), "--json", report.name],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        text = report.read()
    print(done.stdout, end="", flush=True)
    if done.returncode == 6:
        sys.exit(77)
    return done.returncode, json.loads(text)["scenarios"] if text else [], done.stdout


def name_of(scenario):
    return f"{scenario['id']}/{scenario['variant']}"


def broken_rules(name, text):
    """What the explanation of this variant's first run that did not end as due says of the processor,
    or nothing."""
    found = re.search(rf"^{re.escape(name)}: .*?(?=^{re.escape(name)}: )", text, re.M | re.S)
    explained = found.group(0) if found else ""
    # The images have the low 4 GiB, the kernel below them its half.
    if re.search(r"\bffff[0-9a-f]{12}\b", explained):
        return "a vCPU got the registers of KVM's own context"
    halt = HALT.read_text().splitlines().index("  hlt") + 1
    if re.search(rf"\btakes [0-9a-f]{{2}} +{HALT.name}:{halt}\b", explained):
        return "an interrupt was taken between STI and the instruction after it"
    return ""


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
    parser.add_argument("--emulated", action="store_true")
    args = parser.parse_args()
    status, scenarios, text = run(args.muster, args.runs)
    # Gates of a first run that the processor spoiled would say nothing.
    wrong = [] if args.emulated and status != 0 else list(differences(scenarios))
    for scenario in scenarios if args.emulated else []:
        name, again, said = name_of(scenario), scenario, text
        for _ in range(ATTEMPTS):
            why = "" if again["as_due"] else broken_rules(name, said)
            if not why:
                break
            print(f"{name}: {why}; its runs again", flush=True)
            _, (again,), said = run(args.muster, args.runs, [name])
        if not again["as_due"]:
            wrong.append(f"{name} did not end as due")
    print("\n".join(wrong), file=sys.stderr)
    if not scenarios:
        print("no scenario was run", file=sys.stderr)
    failed = bool(wrong) or not scenarios or (status != 0 and not args.emulated)
    return 1 if failed else 0


sys.exit(main())
