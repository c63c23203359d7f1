#!/usr/bin/env python3
"""What bench.py runs on the emulated machine: boots in turn on muster and on QEMU, a JSON line each.

    measure.py CASE
"""

import json
import pathlib
import re
import subprocess
import sys
import time

from console import Console

DEBUG = pathlib.Path("/sys/kernel/debug")
# What a guest's exits are, as kvm_amd counts them; `exits` is all of them.
EXITS = ["exits", "io_exits", "mmio_exits", "halt_exits", "irq_exits", "irq_window_exits",
         "request_irq_exits", "signal_exits", "host_state_reload", "insn_emulation", "pf_taken"]

# What QEMU would offer to a guest because its APIC is the kernel's, and muster does not have.
CPU = ",".join(["host", "svm=off", "tsc-deadline=off"] + [
    f"kvm-{feature}=off" for feature in ("pv-eoi", "asyncpf", "asyncpf-int", "steal-time",
                                         "pv-unhalt", "pv-tlb-flush", "pv-ipi", "pv-sched-yield",
                                         "poll-control", "mmu", "nopiodelay")])


def commands(case, cpus, words):
    words = ["console=ttyS0", "panic=-1", "quiet", *words]
    return {
        "muster": [case["muster"], "run", case["image"], "--initrd", case["initrd"], "--cpus",
                   str(cpus), "--memory", "512M", "--timeout", "600s", "--", *words],
        "qemu": ["qemu-system-x86_64", "-machine", "pc,accel=kvm,hpet=off", "-cpu", CPU, "-m", "512",
                 "-smp", str(cpus), "-nodefaults", "-display", "none", "-no-reboot", "-serial",
                 "stdio", "-kernel", case["image"], "-initrd", case["initrd"], "-append",
                 " ".join(words)]}


def exits(pid):
    """KVM's counts of the virtual machines of a process, all vCPUs together."""
    counts = {}
    for directory in (DEBUG / "kvm").glob(f"{pid}-*"):
        for name in EXITS:
            file = directory / name
            if file.exists():
                counts[name] = counts.get(name, 0) + int(file.read_text())
    return counts


def boot(command, idle):
    with Console(command) as console:
        console.expect("init: ", 600)
        counts = exits(console.process.pid)
        console.expect(" CPUs", 60)
        row = {"init_s": float(re.search(r"init: ([\d.]+) s", console.said)[1]), "exits": counts}
        if idle:
            console.expect("# ", 120)
            time.sleep(5)
            before, start = exits(console.process.pid)["exits"], time.monotonic()
            time.sleep(idle)
            after = exits(console.process.pid)["exits"]
            row["idle"] = (after - before) / (time.monotonic() - start)
        return row


def main():
    case = json.loads(sys.argv[1])
    if not (DEBUG / "kvm").exists():
        subprocess.run(["mount", "-t", "debugfs", "debugfs", DEBUG], check=True)
    for cpus in case["cpus"]:
        for _ in range(case["runs"]):
            for vmm, command in commands(case, cpus, []).items():
                row = boot(command, case["idle"])
                print(json.dumps({"cpus": cpus, "vmm": vmm, **row}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
