#!/usr/bin/env python3
"""Puts figures into a document: write_doc.py DOCUMENT COMMAND <FIGURES

Replaces what stands between the lines `<!-- COMMAND -->` and `<!-- end -->`.
"""

import pathlib
import sys


def replace(text, command, figures):
    begin = f"<!-- {command} -->\n"
    before, found, rest = text.partition(begin)
    if not found:
        sys.exit(f"write_doc: the document has no line {begin.strip()}")
    _, found, after = rest.partition("<!-- end -->\n")
    if not found:
        sys.exit("write_doc: the document has no <!-- end --> after that line")
    return f"{before}{begin}{figures.rstrip()}\n<!-- end -->\n{after}"


def main():
    document, command = pathlib.Path(sys.argv[1]), sys.argv[2]
    figures = sys.stdin.read()
    if "|" not in figures:
        sys.exit("write_doc: there are no figures")
    document.write_text(replace(document.read_text(), command, figures))


main()
