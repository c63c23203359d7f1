#!/usr/bin/env python3
"""reference.py FILE: a header or a page as Doxygen is to read it. In a header each // comment before or
behind a declaration is documentation; in a page what links to another file names it instead."""

import re
import sys


def plain(text):
    """Text in which nothing is a command or a tag of Doxygen's; `code` is taken as it stands."""
    parts = re.split(r"(`[^`]*`)", text)
    for i in range(0, len(parts), 2):
        parts[i] = re.sub(r"(?<!^)<(?=[\w/])", r"\\<", parts[i])
        parts[i] = re.sub(r"[#@](?=\w)", r"\\\g<0>", parts[i])
        parts[i] = re.sub(r"(?<!\\)%(?=\w)", r"%%", parts[i])
    return "".join(parts)


def header(lines):
    for line in lines:
        line = re.sub(r"^(\s*)//(?!/)(?! ----)\s?", r"\1/// ", line)
        line = re.sub(r"([;,{)}])(\s+)//(?![/<])\s?", r"\1\2///< ", line)
        if "///" in line:
            code, mark, text = line.partition("///")
            line = code + mark + plain(text)
        yield line


def page(text):
    def name(link):
        words, path = link.groups()
        return words if words == path else f"{words} (`{path}`)"

    parts = re.split(r"(^```.*?^```$)", text, flags=re.S | re.M)  # code stays as it is
    for i in range(0, len(parts), 2):
        parts[i] = re.sub(r"\[([^]]*)\]\((?!#|https?:)([^)]*)\)", name, parts[i])
    return "".join(parts)


def main():
    text = open(sys.argv[1], encoding="utf-8").read()
    if sys.argv[1].endswith(".md"):
        print(page(text), end="")
    else:
        print("\n".join(header(text.splitlines())))


if __name__ == "__main__":
    sys.exit(main())
