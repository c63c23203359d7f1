#!/usr/bin/env python3
"""Says where the sources, the libraries or CMake's targets break the layering of docs/architecture.md.

    layering.py [--build DIR] [SOURCE_ROOT]

Reads SOURCE_ROOT/src; with --build also the layers' link lines (DIR/layers/*.links, written by
MusterLayer.cmake) and what their libraries (DIR/src/*/libmuster_*.a, the C library's too) take from
elsewhere. One line per violation on stdout; exit status 1 where there is one.
"""

import argparse
import pathlib
import re
import subprocess
import sys

# What each layer may use of the others.
BELOW = {
    "apic": set(),
    "rendezvous": set(),
    "vcpu": {"apic", "rendezvous"},
    "vmm": {"vcpu", "apic", "rendezvous"},
}

# The files that may name the primitives which every other file reaches through sync.h.
SYNC_SEAM = re.compile(r"src/rendezvous/sync(_\w+)?\.(h|cc)")

SYNC_PRIMITIVE = re.compile(
    r"std::(atomic\w*|(recursive_|shared_|timed_)*mutex|condition_variable\w*|lock_guard"
    r"|unique_lock|scoped_lock|shared_lock|once_flag|call_once|latch|barrier|\w+_semaphore"
    r"|j?thread|this_thread::(yield|sleep_\w+))\b"
    r"|\b(SYS_futex|__NR_futex|pthread_(mutex|cond|rwlock|spin|barrier)_\w+|absl::(Mutex|CondVar))\b"
    r"|\b__(atomic|sync)_\w+"
)

# Headers that a layer must not include, and why not.
FORBIDDEN_HEADERS = {
    "apic": (re.compile(r"linux/.*|sys/.*|asm/.*|pthread\.h|unistd\.h|signal\.h|c?time(\.h)?|chrono"
                        r"|thread|atomic|mutex|shared_mutex|condition_variable|semaphore|latch"),
             "the APIC models are pure"),
    "rendezvous": (re.compile(r"linux/kvm.*|asm/kvm.*|sys/ioctl\.h"), "no KVM below vcpu"),
}

# Printing, exiting and process-wide policy are the application's. Demangled, without parameters.
FORBIDDEN_SYMBOLS = re.compile(
    r"v?[fd]?printf|__v?[fd]?printf_chk|puts|fputs|putchar|fputc|putc|perror|fwrite|syslog"
    r"|std::(cout|cerr|clog|terminate|exit|abort|quick_exit)"
    r"|fmt::v\d+::v?print.*"
    r"|_?exit|_Exit|quick_exit|abort|atexit|err|errx|warn|warnx"
    r"|signal|sigaction|sigprocmask|setitimer|alarm"
)

COMMENT_OR_STRING = re.compile(
    r"//[^\n]*|/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])'", re.DOTALL)
INCLUDE = re.compile(r"^[ \t]*#[ \t]*include[ \t]*([<\"])([^>\"]+)[>\"]", re.MULTILINE)


def blank(match):
    """What replaces a comment or string: nothing but its line ends, so line numbers stay."""
    return "\n" * match.group().count("\n")


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


def is_ours(root, path, header):
    """Whether a header in quotes is found in this tree."""
    places = (root / path.parent, root / "src", root)
    return header.startswith("muster/") or any((place / header).exists() for place in places)


def check_includes(root, path, layer, text):
    for match in INCLUDE.finditer(text):
        kind, header = match.groups()
        where = f"{path}:{line_of(text, match.start())}"
        used = re.match(r"muster/(\w+)/", header)
        if kind == '"' and is_ours(root, path, header):
            yield f"{where}: \"{header}\" is not of the form <muster/LAYER/...>"
        elif used and used.group(1) != layer and used.group(1) not in BELOW[layer]:
            yield f"{where}: {layer} includes <{header}>, which is not below it"
        elif layer in FORBIDDEN_HEADERS:
            headers, why = FORBIDDEN_HEADERS[layer]
            if headers.fullmatch(header):
                yield f"{where}: {layer} includes <{header}>: {why}"


def check_sync(path, layer, text):
    if layer not in ("rendezvous", "vcpu") or SYNC_SEAM.fullmatch(str(path)):
        return
    code = COMMENT_OR_STRING.sub(blank, text)
    for match in SYNC_PRIMITIVE.finditer(code):
        yield f"{path}:{line_of(code, match.start())}: {match.group()} outside sync.h"


def check_print(path, text):
    code = COMMENT_OR_STRING.sub(blank, text)
    for match in re.finditer(r"fmt::print\b", code):
        yield f"{path}:{line_of(code, match.start())}: fmt::print throws where it cannot write: use Say"


def check_sources(root):
    for layer in BELOW:
        for file in sorted((root / "src" / layer).rglob("*")):
            if file.suffix not in (".h", ".cc", ".c"):
                continue
            text = file.read_text()
            path = file.relative_to(root)
            yield from check_includes(root, path, layer, text)
            yield from check_sync(path, layer, text)
            yield from check_print(path, text)


def check_links(build):
    for layer, below in BELOW.items():
        links = build / "layers" / f"{layer}.links"
        if not links.exists():
            continue
        for target in links.read_text().split():
            used = re.fullmatch(r"(?:Muster::|muster_)(\w+)", target)
            if used and used.group(1) in BELOW and used.group(1) not in below:
                yield f"target muster_{layer} links {target}, which is not below it"


def check_symbols(build):
    for layer in BELOW:
        library = build / "src" / layer / f"libmuster_{layer}.a"
        if layer == "vmm" or not library.exists():
            continue
        listing = subprocess.run(["nm", "-AC", str(library)], capture_output=True, text=True,
                                 check=True).stdout
        # clang has every function that must not throw end in it; GCC's build shows who means it.
        from_clang = "__clang_call_terminate" in listing
        for line in listing.splitlines():
            place, undefined, symbol = line.partition(" U ")
            if not undefined:
                continue
            name = symbol.partition("(")[0]
            if from_clang and name == "std::terminate":
                continue
            if FORBIDDEN_SYMBOLS.fullmatch(name):
                member = place.strip().rstrip(":").rsplit(":", 1)[-1]
                yield f"{library.name}({member}) uses {name}: only vmm prints, exits or sets handlers"


def check_c_library(build):
    """The C interface takes from the C library what the layers may."""
    library = build / "src" / "vcpu" / "capi" / "libmuster.so"
    if not library.exists():
        return
    listing = subprocess.run(["nm", "-DC", "--undefined-only", str(library)], capture_output=True,
                             text=True, check=True).stdout
    if "__asan_" in listing or "__tsan_" in listing:
        return
    for line in listing.splitlines():
        name = line.partition(" U ")[2].partition("@")[0].partition("(")[0]
        if name != "std::terminate" and FORBIDDEN_SYMBOLS.fullmatch(name):
            yield f"{library.name} uses {name}: only vmm prints, exits or sets handlers"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", type=pathlib.Path)
    parser.add_argument("root", nargs="?", type=pathlib.Path,
                        default=pathlib.Path(__file__).resolve().parents[2])
    arguments = parser.parse_args()
    violations = list(check_sources(arguments.root))
    if arguments.build:
        violations += [*check_links(arguments.build), *check_symbols(arguments.build),
                       *check_c_library(arguments.build)]
    for violation in violations:
        print(violation)
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
