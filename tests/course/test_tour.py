#!/usr/bin/env python3
"""test_tour.py: runs every command of docs/tour.md, in its order, and wants the output that the page shows.

A command is a line "    $ ..."; the lines below it are output. It runs in a copy of this tree with its objects.
Of each line of the page, the output must have one with the same words, in the same order. Numbers may be
others, but the number in a name, as in W1, may not. A page may leave lines out.
"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PAGE = ROOT / "docs/tour.md"
NUMBER = re.compile(r"(?<![\w.])[+-]?\d[\d.]*(?:e[+-]?\d+)?")


def steps(text):
    """(command, [lines of output]) of a page, in order."""
    found, last = [], None
    for line in text.splitlines():
        if line.startswith("    $ "):
            last = (line[6:].partition("  #")[0].strip(), [])
            found.append(last)
        elif line.startswith("    ") and last:
            last[1].append(line[4:])
        else:
            last = None
    return found


def words(line):
    return " ".join(NUMBER.sub("#", line).split())


def first_missing(shown, output):
    """The first line of the page that the output lacks, or None."""
    lines = iter([words(line) for line in output.splitlines()])
    return next((line for line in shown if words(line) not in lines), None)


def check_itself():
    assert steps("a\n    $ ls -l   # why\n    x 1\n\n    y\n") == [("ls -l", ["x 1"])]
    assert first_missing(["W1  2.5e-08"], "W1 1e-3\n") is None and first_missing(["W1 1"], "W2 1") == "W1 1"
    assert first_missing(["b", "a"], "a\nb\n") == "a" and first_missing(["a PASSED"], "a FAILED") == "a PASSED"


def copy_to(folder):
    """Sources with their times, and the objects that were made of them."""
    tar = (f"tar -C {ROOT} -c --exclude=./.git --exclude=./data --exclude=./bench/results --exclude=./build . && "
           f"tar -C {ROOT} -c build/float build/main.flags $(cd {ROOT} && ls -d build/.setup-*)")
    subprocess.run(["bash", "-c", f"set -o pipefail; {{ {tar}; }} | tar -C {folder} -x -i"], check=True)
    (folder / "data").symlink_to(ROOT / "data")


def main():
    check_itself()
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    failed = 0
    tour = steps(PAGE.read_text())
    with tempfile.TemporaryDirectory() as folder:
        copy_to(pathlib.Path(folder))
        for command, shown in tour:
            done = subprocess.run(["bash", "-c", command], cwd=folder, env=environment, stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=600, check=False)
            missing = first_missing(shown, done.stdout)
            expected = 1 if any("FAILED" in line for line in shown) else 0
            if missing is not None or done.returncode != expected:
                failed += 1
                print(f"FAIL  $ {command}: exit code {done.returncode}; the page has, and the output lacks: {missing}")
                print("\n".join(f"    | {line}" for line in done.stdout.splitlines()[-30:]))
    print(f"{len(tour) - failed} passed, {failed} failed, 0 skipped")
    sys.exit(bool(failed) or not tour)


if __name__ == "__main__":
    main()
