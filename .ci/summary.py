#!/usr/bin/env python3
"""What ctest's JUnit file knows and its closing lines do not: reasons to skip, and the slowest."""

import sys
import xml.etree.ElementTree as ElementTree


def last_line(case):
    said = (case.findtext("system-out") or "").strip().splitlines()
    return said[-1].strip() if said else "no reason given"


def main(path):
    cases = list(ElementTree.parse(path).getroot().iter("testcase"))
    reasons = {}
    for case in cases:
        if case.find("skipped") is not None:
            reasons.setdefault(last_line(case), []).append(case.get("name"))
    if reasons:
        print("\nSkipped:")
        for reason, names in sorted(reasons.items()):
            print(f"  {reason}")
            for name in names:
                print(f"    {name}")
    print("\nThe slowest:")
    for case in sorted(cases, key=lambda case: -float(case.get("time")))[:10]:
        print(f"  {float(case.get('time')):7.1f} s  {case.get('name')}")


if __name__ == "__main__":
    main(sys.argv[1])
