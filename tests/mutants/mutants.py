#!/usr/bin/env python3
"""Shows that the tests can fail: breaks the code on purpose, one patch at a time.

Each *.patch beside this file begins with lines `Breaks: what is promised`, `Target: an executable of
the tests` and `Test: a Catch2 filter`. The target, built from a copy of the tree, has to pass with
that filter. Then the patch is applied to the copy, and it has to fail; a run that does not end counts
as failed too. Exit status 1 where a mutant survives, proves nothing, does not apply or does not
compile. --check only sees that all apply to the tree as it is, or names those that do not.
"""

import argparse
import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
SECONDS = 90  # ends a hang, which is what many of these lead to
SKIPPED = 77


def header(patch):
    fields = {}
    for line in patch.read_text().splitlines():
        if line.startswith(("diff ", "--- ")):
            break
        name, colon, value = line.partition(":")
        if colon:
            fields[name.strip()] = value.strip()
    return fields


def touched(patch):
    return [line.removeprefix("+++ b/") for line in patch.read_text().splitlines()
            if line.startswith("+++ ")]


def run(command, **options):
    return subprocess.run([str(word) for word in command], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace", **options)


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


def apply(tree, patch, *options):
    # Within a repository git leaves out, and does not say so, what lies outside its own tree: the
    # copy must not be seen as a part of the one it lies in.
    return run(["git", "apply", "--unidiff-zero", *options, patch], cwd=tree,
               env={**os.environ, "GIT_CEILING_DIRECTORIES": str(tree.parent)})


def tried(build, fields):
    """green, red, skipped or another word for how the test went, and its output."""
    built = run(["cmake", "--build", build, "--target", fields["Target"]])
    if built.returncode != 0:
        return "does not compile", built.stdout[-3000:]
    try:
        tested = run([build / "tests" / fields["Target"], fields["Test"]], timeout=SECONDS)
    except subprocess.TimeoutExpired:
        return "red (does not end)", ""
    if tested.returncode == SKIPPED:
        return "skipped", tested.stdout
    if "No tests ran" in tested.stdout or "No test cases matched" in tested.stdout:
        return "names no test", tested.stdout
    return ("red" if tested.returncode != 0 else "green"), tested.stdout[-3000:]


def verdict(tree, build, patch, fields):
    how, output = tried(build, fields)
    if how != "green":
        return how if how == "skipped" else f"unbroken: {how}", output
    before = {name: (tree / name).read_bytes() for name in touched(patch)}
    applied = apply(tree, patch)
    if applied.returncode != 0:
        return "does not apply", applied.stdout
    try:
        if all((tree / name).read_bytes() == content for name, content in before.items()):
            return "changes nothing", applied.stdout
        how, output = tried(build, fields)
        return ("SURVIVES" if how == "green" else how), output
    finally:
        for name, content in before.items():
            (tree / name).write_bytes(content)


def check(patches):
    stale = [patch for patch in patches
             if run(["git", "apply", "--unidiff-zero", "--check", patch], cwd=REPOSITORY).returncode]
    for patch in stale:
        print(f"{patch.relative_to(REPOSITORY)} does not apply: the code that it breaks has changed")
    print(f"{len(patches) - len(stale)} of {len(patches)} patches apply")
    return 1 if stale or not patches else 0


def main():
    parser = argparse.ArgumentParser(prog="mutants", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="only see that the patches apply")
    parser.add_argument("build", type=pathlib.Path, metavar="BUILD_DIRECTORY", nargs="?",
                        help="where the copy goes and is built")
    parser.add_argument("names", nargs="*", metavar="NAME",
                        help="a patch without its .patch; all of them where none is named")
    arguments = parser.parse_args()
    patches = sorted(HERE.glob("*.patch"))
    if arguments.check:
        return check(patches)
    if arguments.build is None:
        parser.error("BUILD_DIRECTORY is missing")
    build_root = arguments.build.resolve()
    if arguments.names:
        unknown = set(arguments.names) - {patch.stem for patch in patches}
        if unknown:
            parser.error(f"there is no {', '.join(sorted(unknown))}; there is: "
                         + ", ".join(patch.stem for patch in patches))
        patches = [patch for patch in patches if patch.stem in arguments.names]
    tree, build = build_root / "tree", build_root / "build"
    tree.mkdir(parents=True, exist_ok=True)
    copy_tree(tree)
    configured = run(["cmake", "-S", tree, "-B", build, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release",
                      "-DMUSTER_GUESTS=OFF"])
    if configured.returncode != 0:
        sys.exit(configured.stdout)
    counts = {"red": 0, "skipped": 0, "bad": 0}
    for patch in patches:
        fields = header(patch)
        how, output = verdict(tree, build, patch, fields)
        print(f"{how:20} {patch.stem:34} {fields['Breaks']}", flush=True)
        kind = how.split()[0] if how.startswith(("red", "skipped")) else "bad"
        counts[kind] += 1
        if kind == "bad":
            print(output, flush=True)
    print(f"{counts['red']} of {len(patches)} mutants turned a test red, "
          f"{counts['skipped']} were skipped")
    return 1 if counts["bad"] or not patches else 0


if __name__ == "__main__":
    sys.exit(main())
