#!/usr/bin/env python3
"""headers.py TREE CXX: compiles each header under TREE/include alone, with nothing else of Muster to
be found and with the warnings that its users may have, and says which does not, or which is more than
the public headers that the layers name."""

import concurrent.futures
import os
import pathlib
import subprocess
import sys


def main():
    include = pathlib.Path(sys.argv[1]) / "include"
    headers = sorted(path.relative_to(include) for path in include.rglob("*.h"))
    if len(headers) < 30:
        print(f"only {len(headers)} headers are installed")
        return 1

    def compile_alone(header):
        language = ["-x", "c", "-std=c11"] if header.parent == pathlib.Path(".") else ["-x", "c++", "-std=c++20"]
        return subprocess.run(
            [sys.argv[2], *language, "-fsyntax-only", "-Wall", "-Wextra", "-Wconversion", "-Wsign-conversion",
             "-Wno-pragma-once-outside-header", "-Werror", f"-I{include}", "-"],
            input=f"#include <{header}>\n#include <{header}>\n", text=True, capture_output=True)

    failed = False
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for header, done in zip(headers, pool.map(compile_alone, headers)):
            if done.returncode != 0:
                print(f"<{header}>:\n{done.stderr}")
                failed = True
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
