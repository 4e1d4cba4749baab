#!/usr/bin/env python3
"""test_cell.py: what a submission cannot do in its cell, and what the grader does where a cell fails.

It asks cell.py and the parts of grade.py directly, without a compiler and without a submission, so it takes
seconds; test_course.py grades whole submissions. make test-course runs both. Standard library alone.
"""
import json
import os
import pathlib
import signal
import subprocess
import sys
import time
from unittest import mock

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent.parent / "tools/grader"))
import grade  # noqa: E402

LIMITS = {"seconds": 60, "memory": 256 * grade.MB, "file": grade.MB, "disk": grade.MB, "processes": 10000}
passed, failed, skipped = [], [], []


def check(statement, right, what=""):
    (passed if right else failed).append(statement)
    if not right:
        print(f"FAIL  {statement}" + "".join(f"\n    | {line}" for line in str(what).splitlines()), flush=True)


def cells_without_namespaces():
    cells = grade.Cells()
    cells.prefix = []
    return cells


def check_includes():
    folders = [pathlib.Path("/usr/include"), pathlib.Path("/usr/lib/gcc")]
    own = ("a.o: src/a.h \\\n neural_network.h /usr/include/stdio.h "
           "/usr/lib/gcc/12/../../../include/c++/12/span\nsrc/a.h:\n")
    check("headers of the cell and of the system may be included", grade.foreign_include(own, folders) is None,
          grade.foreign_include(own, folders))
    for name in ("../../course/neural_network.cpp", "src/../../course/a.h", "/course/neural_network.cpp",
                 "/usr/include/../../course/a.h", "/proc/self/cwd/../a.h"):
        check(f"{name} may not be included", grade.foreign_include(f"{own}b.o: {name}\n", folders) == name)


def check_memory():
    """Each of the four has less than the limit, and all have more."""
    keeps = "(head -c 100M /dev/zero; sleep 50) | tail -n 1 >/dev/null &"  # tail has all of a line
    found = cells_without_namespaces().run({}, ["sh", "-c", f"{keeps} {keeps} {keeps} {keeps} wait"], [], 40,
                                           LIMITS["memory"])
    check("processes that together have more memory than the limit are ended",
          found["status"] == {"code": None, "over": "memory"}, found)
    found = cells_without_namespaces().run({}, ["sh", "-c", "head -c 100M /dev/zero | tail -n 1 >/dev/null"], [], 40,
                                           LIMITS["memory"])
    check("a process that has less than the limit is not", found["status"] == {"code": 0, "over": ""}, found)


def runs(text):
    """Whether a process has this text among its arguments."""
    for entry in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if text in entry.read_bytes().decode(errors="replace").split("\0"):
                return True
        except OSError:
            pass
    return False


def until(condition):
    """Whether it holds within 20 s."""
    deadline = time.monotonic() + 20
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


def check_signals():
    """A cell hears Ctrl-C, as all that a terminal has started; the command in it must not outlive it."""
    number = f"54.{os.getpid()}"  # of seconds: a process of this test alone
    spec = {"files": {}, "command": ["sh", "-c", f"setsid sleep {number} & wait"], "collect": [], "limits": LIMITS,
            "isolated": False, "hide": "", "uid": 0}
    with subprocess.Popen([sys.executable, "-B", str(grade.CELL)], stdin=subprocess.PIPE,
                          stdout=subprocess.DEVNULL) as cell:
        cell.stdin.write(json.dumps(spec).encode() + b"\n")
        cell.stdin.close()
        check("a cell starts its command", until(lambda: runs(number)))
        cell.send_signal(signal.SIGINT)
        time.sleep(0.3)
        check("SIGINT leaves a cell to the grader", cell.poll() is None and runs(number))
        cell.terminate()
        cell.wait(20)
    check("SIGTERM ends a cell with all that it has started", cell.returncode == 143 and not runs(number),
          cell.returncode)


def check_hidden_folders():
    """A file can be made in a new folder alone: the old ones are read-only, and /dev/pts never has files."""
    cells = grade.Cells()
    if not cells.prefix:
        skipped.append("the hidden folders")
        return
    for folder in ("/run", "/dev/pts", "/tmp", "/dev/shm"):
        script = f"[ -z \"$(ls -A {folder} | grep -v ^cell)\" ] && touch {folder}/new"
        found = cells.run({}, ["sh", "-c", script], [], 30)
        check(f"a cell has a new {folder}", found["status"]["code"] == 0, found)


def check_refusals():
    cells = cells_without_namespaces()
    with mock.patch.object(cells, "run", side_effect=grade.Refused()):
        check("where the system makes no namespaces, there are none", cells.works(grade.UNSHARE) is False)
    for other in (grade.Broken(), OSError()):
        with mock.patch.object(cells, "run", side_effect=other):
            try:
                cells.works(grade.UNSHARE)
                raised = None
            except (grade.Broken, OSError) as error:
                raised = error
        check(f"{type(other).__name__} in a cell does not turn the namespaces off", raised is other)
    with mock.patch.object(pathlib.Path, "glob", return_value=[pathlib.Path("/proc/0/task")]):
        check("a process that has ended since it was listed is not counted", grade.own_threads() == 0)
    refused = grade.Cells.__new__(grade.Cells)
    for what, prefix in (("an unshare that refuses", ["sh", "-c", "echo unshare: no >&2; exit 1", "sh"]),
                         ("a system without unshare", ["no-such-unshare"])):
        refused.as_root = cells.as_root
        check(f"{what} is told from a failure", refused.works(prefix) is False)


def main():
    for part in (check_includes, check_memory, check_signals, check_hidden_folders, check_refusals):
        part()
    print(f"{len(passed)} passed, {len(failed)} failed, {len(skipped)} skipped")
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
