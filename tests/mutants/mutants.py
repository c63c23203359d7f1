#!/usr/bin/env python3
"""Shows that the tests can fail: breaks the code on purpose, one patch at a time.

    mutants.py BUILD_DIRECTORY [NAME...]

Each *.patch beside this file begins with lines `Breaks: what is promised`, `Target: an executable of
the tests` and `Test: a Catch2 filter`. It is applied to a copy of the tree, the target is built and
run with that filter, and has to fail; a run that does not end counts as failed too. Exit status 1
where a mutant survives, does not apply or does not compile.
"""

import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
SECONDS = 90  # ends a hang, which is what many of these lead to


def header(patch):
    fields = {}
    for line in patch.read_text().splitlines():
        if line.startswith(("diff ", "--- ")):
            break
        name, colon, value = line.partition(":")
        if colon:
            fields[name.strip()] = value.strip()
    return fields


def run(command, **options):
    return subprocess.run([str(word) for word in command], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, **options)


def copy_tree(tree):
    """The files that git knows, as they are now; what has not changed keeps its time."""
    names = subprocess.run(["git", "-C", REPOSITORY, "ls-files", "-z", "-co", "--exclude-standard"],
                           stdout=subprocess.PIPE, check=True).stdout.decode().split("\0")
    for name in filter(None, names):
        source, target = REPOSITORY / name, tree / name
        if not source.is_file():
            continue
        if target.exists() and target.read_bytes() == source.read_bytes():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(source.read_bytes())
        target.chmod(source.stat().st_mode)


def git_apply(tree, *words):
    # Below a checkout git would take the paths for those of the checkout, and skip every one.
    alone = dict(os.environ, GIT_CEILING_DIRECTORIES=str(tree.parent))
    return run(["git", "apply", "--verbose", "--unidiff-zero", *words], cwd=tree, env=alone)


def verdict(tree, build, patch, fields):
    applied = git_apply(tree, patch)
    if applied.returncode != 0 or "Skipped" in applied.stdout:
        return "does not apply", applied.stdout
    try:
        built = run(["cmake", "--build", build, "--target", fields["Target"]])
        if built.returncode != 0:
            return "does not compile", built.stdout[-3000:]
        try:
            tested = run([build / "tests" / fields["Target"], fields["Test"]], timeout=SECONDS)
        except subprocess.TimeoutExpired:
            return "red (does not end)", ""
        if tested.returncode == 77:
            return "skipped", tested.stdout
        if "No tests ran" in tested.stdout or "No test cases matched" in tested.stdout:
            return "names no test", tested.stdout
        return ("red" if tested.returncode != 0 else "SURVIVES"), tested.stdout[-3000:]
    finally:
        git_apply(tree, "-R", patch).check_returncode()


def main():
    build_root = pathlib.Path(sys.argv[1]).resolve()
    tree, build = build_root / "tree", build_root / "build"
    tree.mkdir(parents=True, exist_ok=True)
    copy_tree(tree)
    configured = run(["cmake", "-S", tree, "-B", build, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release",
                      "-DMUSTER_GUESTS=OFF"])
    if configured.returncode != 0:
        sys.exit(configured.stdout)
    patches = sorted(HERE.glob("*.patch"))
    if sys.argv[2:]:
        patches = [patch for patch in patches if patch.stem in sys.argv[2:]]
    bad = 0
    for patch in patches:
        fields = header(patch)
        how, output = verdict(tree, build, patch, fields)
        print(f"{how:20} {patch.stem:34} {fields['Breaks']}", flush=True)
        if not how.startswith(("red", "skipped")):
            bad += 1
            print(output)
    print(f"{len(patches) - bad} of {len(patches)} mutants turned a test red or were skipped")
    return 1 if bad or not patches else 0


if __name__ == "__main__":
    sys.exit(main())
