#!/usr/bin/env python3
"""reference.py HEADER: the header as Doxygen is to read it: each // comment before or behind a
declaration is documentation."""

import re
import sys


def main():
    inside = False
    for line in open(sys.argv[1], encoding="utf-8"):
        line = line.rstrip("\n")
        line = re.sub(r"^(\s*)//(?!/)(?! ----)\s?", r"\1/// ", line)
        line = re.sub(r"([;,{)}])(\s+)//(?![/<])\s?", r"\1\2///< ", line)
        # <angle brackets> and the like are text.
        if "///" in line:
            code, mark, text = line.partition("///")
            text = re.sub(r"(?<!^)<(?=[\w/])", r"\\<", text)
            text = re.sub(r"[#@](?=\w)", r"\\\g<0>", text)
            text = re.sub(r"(?<!\\)%(?=\w)", r"%%", text)
            line = code + mark + text
        print(line)


if __name__ == "__main__":
    main()
