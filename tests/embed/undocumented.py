#!/usr/bin/env python3
"""undocumented.py WARNINGS: of what Doxygen says is not documented, prints what should be: classes,
structures, enumerations and functions. What explains itself may go without: fields, enumerators, the
fields of registers (named as in the manuals), operators and friends."""

import re
import sys

MAY_GO_WITHOUT = re.compile(r"\((variable|enumvalue|typedef|friend)\) of |Member operator\W")


def main():
    failed = False
    for line in open(sys.argv[1], encoding="utf-8"):
        if "is not documented" not in line or MAY_GO_WITHOUT.search(line):
            continue
        print(line, end="")
        failed = True
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
