#!/usr/bin/env python3
"""Checks that runs of the code are paths of its model, by what the code marks.

trace.py PROTOCOL RECORDER [--mutant]

PROTOCOL is rendezvous (trace.pml), doorbell (kick_trace.pml), kick_stays (kick_stays_trace.pml),
borrow (borrow_trace.pml), absent (absent_trace.pml) or init_sipi (init_sipi_trace.pml). RECORDER, of
the code or of a mutant of it, is run several times. Each run of the code has to be accepted, and,
damaged in one mark, rejected, for each mark and each way; of a mutant's, one has to be rejected.
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
CPUS = 4  # of each model
SKIPPED = 77
# Damage may leave what the code could have done as well: of two looks, of which only the second found
# something, the first may be missing; so may the last act of a run that nobody looked at. Then it is
# done at so many places, and has to be noticed at most of them.
PLACES = 8


class RendezvousRuns:
    code = [*(SOURCES / "rendezvous").glob("*.h"), *(SOURCES / "rendezvous").glob("*.cc")]
    models = ["trace.pml", "core.pml"]
    models_of_the_same = []
    named = r"\b(?:MARK|IS_NEXT)\((\w+)"
    macros = ["-DMARKING_THREADS=8"]  # and two that are no vCPU, with two numbers each
    runs = [(1, 3, 300), (2, 4, 200), (3, 2, 300), (4, 4, 200), (5, 3, 300)]  # seed, vCPUs, operations
    most = None
    unit = "vCPUs"
    # Without these a run says less, and may still be one: a look at a hint, a wait that is waited
    # again, a deadline that passes when nothing is left to start, a vCPU that was given back and
    # that another has by then.
    may_be_missed = {"Pending", "Waits", "Late", "Freed"}
    without_value = {"Return", "GiveUpTurn"}
    other = 1  # what makes another value of a mark's first
    marked_by_nobody = {"Late"}

    cases = {"a part taken by a helper", "a part taken by another vCPU", "a vCPU that joins held",
             "a vCPU that left", "a part taken when its vCPU was given back",
             "a call through a standstill", "a standstill in another"}

    @staticmethod
    def seen(run):
        freed = set()
        for thread, name, *values in run:
            if name == "Freed":
                freed.add(values[0])
            if name == "EndRound":
                freed.clear()
            if name == "Borrow" and values[0] in freed:
                yield "a part taken when its vCPU was given back"
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

    @staticmethod
    def as_modelled(_, values):
        return values


class DoorbellRuns:
    code = [*(SOURCES / "vcpu/run" / name for name in ("doorbell.h", "doorbell.cc", "session.cc")),
            HERE / "stepped_guest.cc"]
    models = ["kick_trace.pml", "kick.pml"]
    models_of_the_same = ["borrow.pml"]  # which have other marks of the code
    named = r"\b(?:MARK|STORE_PLAIN_EXIT)\(\w+, (\w+)"
    macros = []
    runs = [(1, 3, 300), (2, 2, 400), (3, 1, 600), (4, 3, 300), (5, 3, 300)]  # seed, ringers, rings
    most = None
    unit = "ringers"
    may_be_missed = set()
    without_value = set()
    other = 4
    marked_by_nobody = set()

    OWNER = CPUS - 1
    FREE, USER, GUEST, BUSY, PARKED = range(5)
    cases = {"a ring that finds each state", "a kick that finds another before it",
             "a kick that the owner has left for", "an entry that is taken back",
             "a sleep that is not begun", "a guest that exits as it is kicked",
             "a kick that is taken out as Run ends", "mail that neither kicks nor prevents an entry"}

    @classmethod
    def seen(cls, run):
        found, last, interrupted = set(), {}, False
        for thread, name, value, *_ in run:
            before, then = last.get(thread, ("", 0))
            if name == "Where" and before == "Ring":
                found.add(value)
            if name == "SetExit" and value:
                yield "a kick that finds another before it"
            if name == "KickEnds" and before == "Where":
                yield "a kick that the owner has left for"
            if name == "Announce" and value == cls.USER and before == "Requests":
                yield "an entry that is taken back"
            if name == "Claim" and before == "Requests" and then:
                yield "a sleep that is not begun"
            if name == "SeeExit" and value and not interrupted:
                yield "a guest that exits as it is kicked"
            if name == "SwallowKick" and before == "Release":
                yield "a kick that is taken out as Run ends"
            if name == "Where" and value == cls.BUSY and thread == 0:
                yield "mail that neither kicks nor prevents an entry"
            if name in ("Enter", "Exit"):
                interrupted = value
            last[thread] = (name, value)
        if found == {cls.FREE, cls.USER, cls.GUEST, cls.BUSY, cls.PARKED}:
            yield "a ring that finds each state"

    @staticmethod
    def as_modelled(name, values):
        """Requests are the ringers' bits: mail, then the others, the NMI's left out."""
        if name in ("Requests", "Take", "Ring"):
            values = [values[0] & 1 | values[0] >> 1 & ~1]
        return [*values, 0, 0, 0, 0]


class BorrowRuns:
    code = DoorbellRuns.code
    models = ["borrow_trace.pml", "borrow.pml"]
    models_of_the_same = ["kick.pml"]
    named = DoorbellRuns.named
    macros = []
    runs = [(1, 2, 40), (2, 3, 60), (3, 1, 100), (4, 3, 40)]  # seed, borrowers, parks
    most = 2500
    unit = "borrowers"
    may_be_missed = set()
    without_value = set()
    other = 4
    marked_by_nobody = set()

    RINGER, INTRUDER, OWNER = range(CPUS - 1, CPUS + 2)
    USER, PARKED, BORROWED = 1, 4, 5
    cases = {"a ring that finds each state", "an owner that waits for who has borrowed it",
             "one that is refused, and waits for that too", "a borrower that wakes who waits",
             "a borrower that wakes nobody", "a sleep that is not begun"}

    @classmethod
    def seen(cls, run):
        found, last = set(), {}
        for thread, name, value, *_ in run:
            if name == "Where" and thread == cls.RINGER:
                found.add(value)
            if name == "WaitBegins":
                yield ("an owner that waits for who has borrowed it" if thread == cls.OWNER else
                       "one that is refused, and waits for that too")
            if name == "IsWaitedFor":
                yield "a borrower that wakes who waits" if value else "a borrower that wakes nobody"
            if name == "Requests" and value and last.get(thread) == "Announce":
                yield "a sleep that is not begun"
            last[thread] = name
        if found == {cls.USER, cls.PARKED, cls.BORROWED}:
            yield "a ring that finds each state"

    @staticmethod
    def as_modelled(_, values):
        return [*values, 0, 0, 0, 0]


class AbsentRuns:
    """The rendezvous' marks, and Bell... for those of the doorbell of the one vCPU."""
    code = RendezvousRuns.code
    code_of_doorbell = [file for file in DoorbellRuns.code if file.parent != HERE]
    models = ["absent_trace.pml", "core.pml"]
    models_of_the_same = ["trace.pml"]
    named = RendezvousRuns.named
    macros = RendezvousRuns.macros
    runs = [(1, 1, 60), (2, 2, 100), (3, 1, 150), (4, 2, 100)]  # seed, lookers, calls
    most = None
    unit = "lookers"
    may_be_missed = RendezvousRuns.may_be_missed
    without_value = RendezvousRuns.without_value
    other = 1
    marked_by_nobody = {"Late"}
    # Not in these runs, of what core.pml has.
    not_here = {"ClearHint", "GiveUpTurn", "Join", "Late", "Leave", "Pending", "Released", "Serve",
                "Withdraw"}
    # The doorbell's that the model has: the others wake nobody here, or change nothing.
    of_doorbell = {"BellRing", "BellBorrow", "BellGiveBack", "BellClaim", "BellAnnounce",
                   "BellRequests", "BellTake"}
    MEET = 8  # kRequestMeet

    CALLER, SENDER = CPUS, CPUS + 1
    cases = {"a part taken at once", "a part taken after asking", "a part taken when told",
             "a looker that tells", "a sender that tells", "one that has nobody to tell"}

    @classmethod
    def seen(cls, run):
        last, before = {}, ""
        for thread, name, *values in run:
            if name == "Freed":
                yield "a sender that tells" if thread == cls.SENDER else "a looker that tells"
            if name == "BellRequests" and not values[0]:
                yield "one that has nobody to tell"
            if thread == cls.CALLER and name in ("Publish", "BellRing", "Waits"):
                before = name
            if name == "Borrow":
                yield {"Publish": "a part taken at once", "BellRing": "a part taken after asking",
                       "Waits": "a part taken when told"}[before]

    @staticmethod
    def as_modelled(_, values):
        return values

    @classmethod
    def in_order(cls, run):
        """Without what is not modelled. Two steps of the code's that are one of the model's come
        together: nobody looks at the hint in these runs, and that a caller has borrowed a vCPU is
        said by the run lock first."""
        marks = []
        for thread, name, *values in run:
            if name in ("BellRing", "BellTake", "BellRequests"):
                values[0] = int(values[0] & cls.MEET != 0)
                if name != "BellRequests" and not values[0]:
                    continue
            if not name.startswith("Bell") or name in cls.of_doorbell:
                marks.append((thread, name, *values))
        places = list(range(len(marks)))  # what each is sorted by
        before = {}  # each thread's last
        for at, (thread, name, *_) in enumerate(marks):
            last = before.get(thread, at)
            if name == "BellRing" and marks[last][1] == "SetHint":
                places[last] = at - 0.5
            if name == "Borrow" and marks[last][1] == "BellBorrow":
                places[at] = last + 0.5
            before[thread] = at
        return [mark for _, mark in sorted(zip(places, marks))]


class InitSipiRuns:
    """The rendezvous' marks, and Bell... for those of the vCPUs' doorbells: of the thread's own, but
    in a function and for a ring or a borrow."""
    code = RendezvousRuns.code
    code_of_doorbell = AbsentRuns.code_of_doorbell
    models = ["init_sipi_trace.pml", "init_sipi.pml", "core.pml"]
    models_of_the_same = []
    named = RendezvousRuns.named
    macros = []
    runs = [(1, 3, 40), (2, 4, 40), (3, 3, 40), (4, 4, 40)]  # seed, vCPUs, rounds
    most = None
    unit = "vCPUs"
    may_be_missed = {"Waits"}
    without_value = RendezvousRuns.without_value
    other = 1
    marked_by_nobody = {"Late"}
    not_here = {"Freed", "GiveUpTurn", "Join", "Late", "Leave", "Release", "Withdraw"}
    of_doorbell = {"BellAnnounce", "BellBorrow", "BellClaim", "BellForceExit", "BellGiveBack",
                   "BellLeave", "BellRequests", "BellRing", "BellTake"}
    MEET, RESET = 8, 16  # kRequestMeet, kRequestReset
    FREE, USER, GUEST = range(3)

    CROSSED = (1, 2)  # INIT each other; the others send SIPIs
    cases = {"an INIT of a CPU that runs", "an INIT of a CPU that is inside its own",
             "an INIT of a CPU that sleeps, by who sends it", "an INIT by a CPU that had one meanwhile",
             "an INIT of a CPU that has halted", "an exit that is finished before the reset",
             "a SIPI that its sender does", "a SIPI that is dropped"}

    @classmethod
    def seen(cls, run):
        inside, half_done, dead = set(), set(), set(range(1, CPUS))
        part, sender, rang = {}, None, False
        for thread, name, value, *_ in run:
            if name == "Queue":
                inside.add(thread)
                half_done.add(thread)
            if name == "Return":
                inside.discard(thread)
            if name == "Publish":
                sender = thread
                if thread in cls.CROSSED and thread in dead:
                    yield "an INIT by a CPU that had one meanwhile"
            if name == "Claim":
                part[thread], rang = value, False
            if name == "BellTake" and not value:  # in a function it is INIT's
                whose = part[thread]
                if thread != whose:
                    yield ("an INIT of a CPU that sleeps, by who sends it" if whose in dead else
                           "an INIT of a CPU that has halted")
                else:
                    yield ("an INIT of a CPU that is inside its own" if whose in inside else
                           "an INIT of a CPU that runs")
                dead.add(whose)
            if name == "BellRing" and value & 2:
                rang = True
                dead.discard(part[thread])
                if thread != part[thread]:
                    yield "a SIPI that its sender does"
            if name == "FinishPart" and sender not in cls.CROSSED and not rang:
                yield "a SIPI that is dropped"
            if name == "BellForceExit" and thread in half_done:
                yield "an exit that is finished before the reset"
            if name == "BellForceExit" or name == "BellRequests" and not value:
                half_done.discard(thread)

    @classmethod
    def as_modelled(cls, name, values):
        """Of requests, that to meet and that to go on after a reset."""
        if name in ("BellRing", "BellTake", "BellRequests"):
            values = [int(values[0] & cls.MEET != 0) | int(values[0] & cls.RESET != 0) << 1,
                      *values[1:]]
        return values

    @classmethod
    def in_order(cls, run):
        """Without what is not modelled, and up to where CPU 0 leaves Run. Two marks of the code's that
        are of one step of the model's come together: the first of them is of what no other thread
        looks at before the second."""
        marks = []
        last = {}  # each thread's, of all
        functions = set()  # the threads that are in one
        waits = {}  # each thread's, that is to come with its next
        for thread, name, *values in run:
            if thread == 0 and name == "BellAnnounce" and values[0] == cls.FREE:
                break
            entry = last.get(thread) == ("BellAnnounce", cls.GUEST)
            last[thread] = (name, values[0])
            if name == "Claim":
                functions.add(thread)
            if name == "FinishPart":
                functions.discard(thread)
            if name == "BellRequests":
                values[0] &= 1
                if not entry:
                    continue
            if (name == "BellTake" and not values[0] & 1 and thread not in functions
                    or name == "BellRing" and not values[0]
                    or name.startswith("Bell") and name not in cls.of_doorbell):
                continue
            if thread in waits:
                marks.append(waits.pop(thread))
            if name == "BellBorrow" or name.startswith("Bell") and thread in functions:
                waits[thread] = (thread, name, *values)
            else:
                marks.append((thread, name, *values))
        return marks


class KickStaysRuns:
    code = [*DoorbellRuns.code, HERE / "record_kick_stays.cc"]
    models = ["kick_stays_trace.pml", "kick_stays.pml"]
    models_of_the_same = ["kick.pml", "borrow.pml"]
    named = DoorbellRuns.named
    macros = []
    runs = [(1, 3, 60), (2, 2, 90), (3, 1, 120), (4, 3, 60)]  # seed, ringers, rings
    most = 3000
    unit = "ringers"
    may_be_missed = set()
    without_value = set()
    other = 4
    marked_by_nobody = set()

    FREE, USER, GUEST = range(3)
    cases = {"a ring that finds each state", "a kick that finds another before it",
             "an entry that is taken back", "a kick that outlasts its stay",
             "a stay that begins while the one before ends",
             "a stay that begins while a kick of the one before is on its way",
             "a kick that is taken out as Run ends"}

    @classmethod
    def seen(cls, run):
        found, last, leaving, kicking = set(), {}, set(), set()
        for thread, name, value, *_ in run:
            if name == "Where" and last.get(thread) == "Ring":
                found.add(value)
            if name == "SetExit" and value:
                yield "a kick that finds another before it"
            if name == "Announce" and value == cls.USER:
                yield "an entry that is taken back"
            if name == "Announce" and value == cls.FREE:
                leaving.add(thread)
            if name == "Signal" and leaving:
                yield "a kick that outlasts its stay"
            if name == "KickBegins":
                kicking.add(thread)
            if name == "KickEnds":
                kicking.discard(thread)
            if name == "Release":
                leaving.discard(thread)
            if name == "Claim" and leaving:
                yield "a stay that begins while the one before ends"
            if name == "Claim" and leaving and kicking:
                yield "a stay that begins while a kick of the one before is on its way"
            if name == "SwallowKick" and last.get(thread) == "Release":
                yield "a kick that is taken out as Run ends"
            last[thread] = name
        if found == {cls.FREE, cls.USER, cls.GUEST}:
            yield "a ring that finds each state"

    @staticmethod
    def as_modelled(name, values):
        """What is requested is one request to the model."""
        if name in ("Requests", "Take", "Ring"):
            values = [int(values[0] != 0)]
        return [*values, 0, 0, 0, 0]


PROTOCOLS = {"rendezvous": RendezvousRuns, "doorbell": DoorbellRuns, "borrow": BorrowRuns,
             "absent": AbsentRuns, "init_sipi": InitSipiRuns, "kick_stays": KickStaysRuns}


def marks(protocol):
    """Numbers the marks, which the code and the model must agree on."""
    def marked_in(files):
        return {name for file in files
                for name in re.findall(r'\bMark\(\s*"(\w+)"', file.read_text())}

    code = marked_in(protocol.code)
    if hasattr(protocol, "of_doorbell"):
        bell = {f"Bell{name}" for name in marked_in(protocol.code_of_doorbell)}
        code |= bell & protocol.of_doorbell

    def named_in(files):
        text = "".join((HERE / file).read_text() for file in files)
        text = re.sub(r"#define\s+(?:MARK|STORE_PLAIN_EXIT)\(.*", "", text)
        return set(re.findall(protocol.named, text)) - {"name"}

    model = named_in(protocol.models) | protocol.marked_by_nobody
    nowhere = code - model - named_in(protocol.models_of_the_same)
    if nowhere or model - code:
        sys.exit(f"marked in the code alone: {sorted(nowhere)}; in the model alone: "
                 f"{sorted(model - code)}")
    return {name: number for number, name in enumerate(sorted(model) + ["End"], 1)}


class Model:
    """Searches for the path of a run."""

    def __init__(self, protocol, directory):
        self.directory = pathlib.Path(directory)
        self.numbers = numbers = marks(protocol)
        macros = [f"-DCPUS={CPUS}", *protocol.macros,
                  *(f"-DMARK_{name}={number}" for name, number in numbers.items())]
        for command in (["spin", *macros, "-a", HERE / protocol.models[0]],
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


def record(protocol, recorder, seed, threads, operations, directory):
    file = pathlib.Path(directory) / "record"
    status = subprocess.run([recorder, file, str(seed), str(threads), str(operations)]).returncode
    if status == SKIPPED:
        sys.exit(SKIPPED)
    run = []
    for line in file.read_text().splitlines():
        thread, name, *values = line.split()
        run.append((int(thread), name,
                    *protocol.as_modelled(name, [int(value) for value in values])))
    return status, protocol.in_order(run) if hasattr(protocol, "in_order") else run


def show(run, position):
    for at in range(max(0, position - 12), min(len(run), position + 3)):
        thread, name, *values = run[at]
        print(f"{'-->' if at == position else '   '} {at:6} thread {thread}: {name}", *values)


def damage(protocol, run, rng):
    """For each mark and each way of damage: what it is, and runs that differ in one such mark."""
    by_name = {}
    last = {mark[0]: at for at, mark in enumerate(run)}
    for at, mark in enumerate(run):
        # Without its last mark, a thread has merely not come so far.
        if at != last[mark[0]]:
            by_name.setdefault(mark[1], []).append(at)

    def with_another(at):
        thread, name, first, *values = run[at]
        return [*run[:at], (thread, name, first ^ protocol.other, *values), *run[at + 1:]]

    for name, places in sorted(by_name.items()):
        if name in protocol.may_be_missed:
            continue
        chosen = rng.sample(places, min(PLACES, len(places)))
        yield f"without {name}", {at: run[:at] + run[at + 1:] for at in chosen}
        yield f"with {name} twice", {at: run[:at + 1] + run[at:] for at in chosen}
        if name not in protocol.without_value:
            yield f"with another {name}", {at: with_another(at) for at in chosen}


def notices(model, how, damaged):
    """Whether the model has no path for the first of them, or else for most."""
    accepted = []
    for at, run in damaged.items():
        if model.follow(run)[0]:
            accepted.append(at)
        elif not accepted:
            return True
    print(f"{how}: accepted at {accepted}, of {len(damaged)} places")
    return 2 * len(accepted) < len(damaged)


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

        def missing(happened):
            """What the runs have to have in them, to be worth following."""
            never = {"End"} | getattr(protocol, "not_here", set())
            return (set(model.numbers) | protocol.cases) - happened - never

        # Of the code some more, on a busy machine, until everything has happened; of a mutant some
        # more, until what is wrong has.
        for number, (seed, threads, operations) in enumerate(protocol.runs * 6):
            if number >= len(protocol.runs) and not args.mutant and not missing(happened):
                break
            status, run = record(protocol, args.recorder, seed, threads, operations, directory)
            if status == 0 and not args.mutant:
                run = run[:protocol.most]  # a busy machine makes them long; where they begin is a run too
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
            if number == 0:
                bad += sum(not notices(model, *how) for how in damage(protocol, run, rng))
    if args.mutant:
        print("no run of the mutant was rejected")
        return 1
    if missing(happened):
        print("in none of the runs:", *sorted(missing(happened)), sep="\n  ")
    return 1 if bad or missing(happened) else 0


if __name__ == "__main__":
    sys.exit(main())
