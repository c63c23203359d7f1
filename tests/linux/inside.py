#!/usr/bin/env python3
"""What linux.py runs on the emulated machine: boots a kernel, and looks at what it says.

    inside.py CASE

CASE is JSON: see linux.py.
"""

import json
import pathlib
import re
import subprocess
import sys
import tempfile

from console import Console, Unexpected


def check(holds, what):
    if not holds:
        raise Unexpected(what)


class Report:
    """Where muster writes its JSON."""

    def __init__(self):
        self.file = tempfile.NamedTemporaryFile(suffix=".json")

    def read(self):
        return json.loads(pathlib.Path(self.file.name).read_text())


def muster_command(case, report, words):
    return [case["muster"], "run", case["image"], "--cpus", str(case["cpus"]), "--memory", "512M",
            *(["--initrd", case["initrd"]] if "initrd" in case else []),
            "--timeout", "400s", "--json", report.file.name,
            "--", "console=ttyS0", "panic=-1", *words, *case.get("words", [])]


def qemu_command(case, words):
    append = " ".join(["console=ttyS0", "panic=-1", *words, *case.get("words", [])])
    return ["qemu-system-x86_64", "-machine", "pc,accel=kvm", "-cpu", "host", "-m", "512",
            "-smp", str(case["cpus"]), "-nodefaults", "-display", "none", "-no-reboot",
            "-serial", "stdio", "-kernel", case["image"], "-initrd", case["initrd"],
            "-append", append]


def ended(console, report, outcome):
    """The run ended with 0 and as `outcome` says; its report."""
    status = console.end()
    run = report.read()
    check(status == 0, f"muster ended with {status}: {run['detail']}")
    check(run["outcome"] == outcome, f"the run ended by {run['outcome']}, not {outcome}")
    check(run["format"].startswith(run_format(run)), f"the image is {run['format']}")
    for key in ("unknown_ports", "unknown_addresses"):
        if run[key]:
            print(f"{key}: {run[key]}")
    return run


def run_format(run):
    return "ELF64, by its PVH entry" if run["image"].endswith("vmlinux") else "Linux "


def shell(case):
    """To a shell, typed into: the CPUs are all there and each runs, is interrupted and sleeps."""
    report = Report()
    with Console(muster_command(case, report, ["quiet"])) as console:
        console.expect("init: ")
        console.expect("# ")
        console.type("nproc\n")
        said = console.expect("# ").split()
        check(said[:2] == ["nproc", str(case["cpus"])], f"nproc says {said}")
        for cpu in range(case["cpus"]):
            console.type(f"taskset {1 << cpu:x} sh -c 'echo ran-on-'$((40 + 2))\n")
            console.expect("ran-on-42")
            console.expect("# ")
        console.type("grep -E 'LOC|RES|CAL|ERR|MIS' /proc/interrupts\n")
        check_interrupts(console.expect("# "), case["cpus"])
        console.type("sleep 1; dmesg | grep -ciE 'x2apic enabled'\n")
        x2apic = "1" in console.expect("# ").split()
        if "x2apic" in case:
            check(x2apic == case["x2apic"], f"x2APIC mode: {x2apic}")
        if case["ending"] == "poweroff":
            console.type("poweroff -f\n")
        elif case["ending"] == "reboot":
            console.type("reboot -f\n")
        else:
            console.type("echo c > /proc/sysrq-trigger\n")
        ended(console, report, "power-off" if case["ending"] == "poweroff" else "reset")


def check_interrupts(text, cpus):
    rows = {match[1]: [int(n) for n in match[2].split()]
            for match in re.finditer(r"(\w+):((?:\s+\d+)+)", text)}
    check(len(rows.get("LOC", [])) == cpus, f"local timer interrupts: {rows.get('LOC')}")
    check(all(rows["LOC"]), f"a CPU without timer interrupts: {rows['LOC']}")
    check(rows.get("ERR") == [0], f"APIC errors: {rows.get('ERR')}")
    check(rows.get("MIS") == [0], f"lost EOIs: {rows.get('MIS')}")
    # Calls to other CPUs' functions, and wake-ups: all but the caller are called at least once.
    check(cpus == 1 or sum(rows["CAL"]) + sum(rows["RES"]) > 0, f"no IPI: {rows}")


def panic(case):
    """No root file system: a panic, which with panic=-1 is a hard reset."""
    report = Report()
    with Console(muster_command(case, report, ["quiet"])) as console:
        console.expect("Kernel panic")
        ended(console, report, "reset")


# What differs from boot to boot: times, addresses, counts.
def normal(line):
    line = re.sub(r"^<\d>\[ *\d+\.\d+\] ", "", line.strip())
    return re.sub(r"0x[0-9a-f]+|\b[0-9a-f]{8,}\b|\d+", "N", line)


# The registers, code and machine that follow a warning.
CIRCUMSTANCES = re.compile(r"(Code|Hardware name|R\w\w|R\d\d|CR2|FS|CS): ")
# What a kernel says where its machine was busy with other work for too long.
BUSY = re.compile(r"hrtimer: interrupt took|perf: interrupt took|sched: RT throttling|.*took too long|"
                  r"workqueue: .* hogged CPU|clocksource: .*(skew|watchdog)")


def warnings_of(text):
    """The kernel's warnings and worse, by what is the same in each boot."""
    said = {}
    for line in text.splitlines():
        match = re.match(r"<[0-4]>\[ *\d+\.\d+\] (.*)", line.strip())
        if match and not CIRCUMSTANCES.match(match[1]) and not BUSY.match(match[1]):
            said[normal(line)] = line.strip()
    return said


def compared(case):
    """The kernel warns of nothing here of which it does not warn on QEMU with the in-kernel APIC."""
    words = ["quiet", "muster.init=warnings"]
    report = Report()
    with Console(muster_command(case, report, words)) as console:
        console.expect("init: ")
        status = console.end()
        ours = warnings_of(console.said)
    check(status == 0, f"muster ended with {status}")
    with Console(qemu_command(case, words)) as console:
        console.expect("init: ")
        console.end()
        theirs = warnings_of(console.said)
    print(f"{len(ours)} warnings here, {len(theirs)} on QEMU")
    for line in sorted(theirs.keys() - ours.keys()):
        print(f"on QEMU alone: {theirs[line]}")
    more = [ours[line] for line in sorted(ours.keys() - theirs.keys())]
    for line in more:
        print(f"here alone: {line}")
    check(bool(ours) and bool(theirs), "no warning at all: the logs have not come through")
    check(not more, f"{len(more)} warnings that QEMU's kernel does not give")


def memtest(case):
    """memtest86+ tests with all CPUs at once."""
    command = [case["muster"], "run", case["image"], "--cpus", str(case["cpus"]), "--memory",
               "64M", "--timeout", "300s", "--", "console=ttyS0,115200"]
    with Console(command) as console:
        console.expect(case["shows"])
        console.expect("Errors: 0")
        console.expect("% #")  # the bars of its progress have begun


def main():
    case = json.loads(sys.argv[1])
    try:
        globals()[case["test"]](case)
    except Unexpected as why:
        print(f"\nfailed: {why}")
        return 1
    except subprocess.TimeoutExpired:
        print("\nfailed: it does not end")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
