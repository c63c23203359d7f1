#!/usr/bin/env python3
"""links.py DIRECTORY: says which links of the pages (*.md) in DIRECTORY lead nowhere."""

import pathlib
import re
import sys


def text_of(page):
    """The page without what it shows as code."""
    return re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.S | re.M)


def anchors(page):
    """What a page's headings may be linked by: GitHub's way."""
    headings = re.findall(r"^#+ (.*)$", text_of(page), flags=re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def main():
    pages = sorted(pathlib.Path(sys.argv[1]).glob("*.md"))
    if not any(page.name == "embedding.md" for page in pages):
        print(f"{sys.argv[1]}: embedding.md is not there")
        return 1
    failed = False
    for page in pages:
        for link in re.findall(r"\]\(([^)\s]+)\)", text_of(page)):
            if re.match(r"[a-z]+:", link):
                continue
            path, _, anchor = link.partition("#")
            to = page.parent / path if path else page
            if not to.exists() or (anchor and anchor not in anchors(to)):
                print(f"{page}: {link} leads nowhere")
                failed = True
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
