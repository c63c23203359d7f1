#!/usr/bin/env python3
"""numbers.py HEADER PINNED: whether PINNED, a C file of assertions, has every enumerator, macro,
structure and field of HEADER."""

import re
import sys


def declared(declaration):
    """The names that a declaration in a structure declares."""
    pointer = re.search(r"\(\*(\w+)\)\(", declaration)
    if pointer:
        return [pointer.group(1)]
    return [re.search(r"(\w+)(\[\d+\])?$", part.strip()).group(1) for part in declaration.split(",")]


def fields(body):
    """The names of a structure's fields, those of a union in it as UNION.NAME."""
    names = []

    def outer(match):
        names.extend(f"{match.group(2)}.{name}" for name in fields(match.group(1)))
        return f"int {match.group(2)};"

    body = re.sub(r"union \{(.*?)\} (\w+);", outer, body, flags=re.S)
    for declaration in filter(None, map(str.strip, body.split(";"))):
        names.extend(declared(declaration))
    return names


def main():
    with open(sys.argv[1], encoding="utf-8") as header:
        text = re.sub(r"/\*.*?\*/", "", header.read(), flags=re.S)
    with open(sys.argv[2], encoding="utf-8") as pinned:
        held = set(re.sub(r"\s+", "", pinned.read()).split(";"))
    wanted = [f"IS({name}," for name in re.findall(r"\b(MUSTER_[A-Z0-9_]+) = ", text)]
    wanted += [f"IS({name}," for name in re.findall(r"^#define (MUSTER_[A-Z0-9_]+) (?!__attribute__)\S", text, re.M)]
    structures = re.findall(r"typedef struct (\w+) \{(.*?)^\} \1;", text, re.S | re.M)
    for structure, body in structures:
        wanted.append(f"SIZE({structure},")
        wanted += [f"AT({structure},{field}," for field in fields(body)]
    if len(wanted) < 150:
        print(f"{sys.argv[1]}: only these were found: {wanted}")
        return 1
    missing = [each for each in wanted if not any(one.endswith(")") and each in one for one in held)]
    for each in missing:
        print(f"{sys.argv[2]} has no {each} ...)")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
