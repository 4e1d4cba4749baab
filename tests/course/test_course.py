#!/usr/bin/env python3
"""test_course.py [NAME...]: the grader gives the solution all points, the starter none, and each mistake and
each cheat (submissions.py) what it deserves; the handout has no solution, builds, and is the same twice.

make test-course builds what it needs. Two submissions are graded at a time. With names, only what has one
of them in its statement is tried.
"""
import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import submissions

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
SOLVED = ROOT / "neural_network.cpp"
GRADER = [sys.executable, "-B", str(ROOT / "tools/grader/grade.py")]
HANDOUT = [sys.executable, "-B", str(ROOT / "tools/handout/handout.py")]
SECONDS = "60"  # of a run; a machine that is busy with other tests takes several times as long as a quiet one
FORKS = "processes without end"
passed, failed = [], []


def check(statement, right, what=""):
    (passed if right else failed).append(statement)
    if not right:
        print(f"FAIL  {statement}" + "".join(f"\n    | {line}" for line in str(what).splitlines()), flush=True)


def graded(submission, folder, path):
    """What grade.py printed with this PATH, and the rows of its results.json."""
    results = folder / "results.json"
    seconds = "10" if FORKS in str(submission) else SECONDS
    done = subprocess.run([*GRADER, str(submission), "--results", str(results), "--seconds", seconds],
                          capture_output=True, text=True, check=False, env={**os.environ, "PATH": path})
    rows = json.loads(results.read_text())["tests"] if results.exists() else []
    return done, rows


def check_submission(name, text, lost, path=os.environ["PATH"]):
    """Grades a text; `lost` has the rows that it must lose, or is None for all of them."""
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder, name.replace("/", " "))
        folder.mkdir()
        (folder / "neural_network.cpp").write_text(text)
        done, rows = graded(folder / "neural_network.cpp", folder, path)
    wanted = {row["name"] for row in rows} if lost is None else set(lost)
    found = {row["name"] for row in rows if row["score"] != row["max_score"]}
    points = sum(row["score"] for row in rows)
    right = (done.returncode == 0 and found == wanted and wanted <= {row["name"] for row in rows} and
             sum(row["max_score"] for row in rows) == 70 and done.stdout.endswith(f"\npoints {points} / 70\n"))
    unlike = "".join(f"{'lost' if row in found else 'kept'} by mistake: {row}\n" for row in sorted(found ^ wanted))
    check(name, right, unlike + done.stdout + done.stderr)
    return done


def check_refused(name, text, first_line, path=os.environ["PATH"]):
    """Does not build: no points, and one error."""
    done = check_submission(name, text, submissions.EVERYTHING, path)
    error = next((line for line in done.stdout.splitlines() if " / 5     builds" in line), "")
    check(f"{name}: it says why", first_line in error, done.stdout)


def check_relative_include(solution):
    """Where there are no namespaces, a cell is a folder beside others; one of them has a solution."""
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        folder.chmod(0o755)
        (folder / SOLVED.name).write_text(solution)
        (folder / "unshare").write_text("#!/bin/sh\necho unshare: not here >&2\nexit 1\n")
        (folder / "unshare").chmod(0o755)
        check_refused("grades: a solution beside the cell, included", f'#include "../{folder.name}/{SOLVED.name}"\n',
                      "a file that is not its own", f"{folder}:{os.environ['PATH']}")


def digest():
    """Of all that a submission must not change."""
    files = [file for folder in ("build/float/grader", "build/double/grader", "tools/grader")
             for file in sorted((ROOT / folder).iterdir()) if file.is_file()]
    return [hashlib.sha256(file.read_bytes()).hexdigest() for file in [*files, SOLVED]]


def processes_called(name):
    return [entry for entry in pathlib.Path("/proc").glob("[0-9]*/comm")
            if entry.exists() and entry.read_text(errors="replace").strip() == name]


def solution_lines():
    """The lines that stand in the solution alone, and are long enough to be told from others."""
    solution = re.compile(r"// solution: \w+\n(.*?)// end of solution", re.S)
    text = SOLVED.read_text()
    lines = {line.strip() for part in solution.findall(text) for line in part.splitlines()}
    given = solution.sub("", text)
    return {line for line in lines if len(line) > 40 and line not in given
            and not line.startswith(("//", "void Data", "double Data"))}


def check_handout(folder):
    handouts = [folder / "one" / "handout", folder / "two" / "handout"]
    for handout in handouts:
        subprocess.run([*HANDOUT, str(handout)], check=True, capture_output=True)
    archives = [handout.with_name("handout.tar.gz").read_bytes() for handout in handouts]
    check("a handout made twice has the same bytes", archives[0] == archives[1])
    files = [file for file in handouts[0].rglob("*") if file.is_file()]
    theirs = {file: (ROOT / file.relative_to(handouts[0])).read_bytes() for file in files}
    unlike = {file.name for file in files if file.read_bytes() != theirs[file]}
    marked = {file.name for file in files if file.suffix == ".md" and b"<!-- the handout leaves" in theirs[file]}
    check("a handout differs from this tree in neural_network.cpp, README.md and marked pages alone",
          unlike == {"neural_network.cpp", "README.md", *marked} and "assignment.md" in marked, unlike)
    told = [f"{file}: {line}" for file in files if file.suffix in (".cpp", ".h", ".md", ".sh", ".py", ".txt")
            for line in solution_lines() if line in file.read_text(errors="replace")]
    check("no line of the solution stands anywhere in a handout", len(solution_lines()) > 20 and not told, told)
    return handouts[0]


def check_handout_deletes_nothing(folder, handout):
    """What is no handout of its own making stays. The project is a copy: a fault must not cost this one."""
    project = folder / "three" / "project"
    shutil.copytree(ROOT / "tools/handout", project / "tools/handout")
    shutil.copy(SOLVED, project)
    (project / "handed in").mkdir()
    shutil.copy(SOLVED, project / "handed in")
    (folder / "three" / SOLVED.name).write_text("a file beside the project")
    other = folder / "two" / "handout"
    places = [("the project", project, None), ("a parent of the project", folder / "three", None),
              ("a folder with a submission", project / "handed in", None), ("a clone", other, ".git"),
              ("a whole project", other, "make/course.mk"), ("a handout with a file more", other, "notes"),
              ("a changed handout", other, SOLVED.name)]
    for what, place, written in places:
        if written:
            (place / written).write_text("a student's work")
        before = sorted(place.rglob("*"))
        done = subprocess.run([sys.executable, "-B", str(project / "tools/handout/handout.py"), str(place)],
                              capture_output=True, text=True, check=False)
        check(f"a handout does not replace {what}, and says so in one line", done.returncode == 2 and
              done.stderr.count("\n") == 1 and sorted(place.rglob("*")) == before, done.stdout + done.stderr)
        if written and written != SOLVED.name:
            (place / written).unlink()
    again = subprocess.run([*HANDOUT, str(handout)], capture_output=True, text=True, check=False)
    check("a handout replaces one that nobody has changed", again.returncode == 0, again.stderr)


def check_handout_names_what_it_has(folder):
    """A page of a small project names what its handout lacks."""
    project = folder / "four" / "project"
    shutil.copytree(ROOT / "tools/handout", project / "tools/handout")
    shutil.copy(SOLVED, project)
    (project / "Makefile").write_text("main: ; true\nhelp:\n")
    (project / "README.md").write_text("the whole program's\n")
    readme, handout = project / "tools/handout/README.md", project / "build/handout"
    for text, wrong in (("`make main`, [this](README.md)\n\n    make help   # what\n", ""),
                        ("`make grade`\n", "README.md names make grade, which"),
                        ("    $ make check\n", "README.md names make check, which"),
                        ("[a page](docs/none.md#x)\n", "README.md has a link to docs/none.md, which")):
        readme.write_text(text)
        done = subprocess.run([sys.executable, "-B", str(project / "tools/handout/handout.py")],
                              capture_output=True, text=True, check=False)
        made = (handout / "README.md").exists() and (handout / "README.md").read_text() == text
        check(f"a handout is made if its pages name what it has: {text.strip()}",
              made == (not wrong) and done.returncode == bool(wrong) and wrong in done.stderr and
              done.stderr.count("\n") == bool(wrong), done.stdout + done.stderr)


def check_handout_builds(handout):
    """With this tree's objects, which are its own but for one."""
    shutil.copytree(ROOT / "build/float", handout / "build/float", ignore=shutil.ignore_patterns("tests", "gpuhost"))
    for file in (handout / "build").rglob("*"):
        os.utime(file)
    (handout / "build/float/neural_network.o").unlink()
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    made = subprocess.run(["make", "-s"], cwd=handout, capture_output=True, text=True, check=False,
                          env=environment)
    check("make builds a handout, without a warning", made.returncode == 0 and "warning" not in made.stderr and
          (handout / "main").exists(), made.stdout + made.stderr)


def main():
    names = sys.argv[1:]
    solution = SOLVED.read_text()
    victims = [ROOT / "build/float/grader/judge", ROOT / "tools/grader/grade.py", SOLVED]
    tried = {"the solution": ([], [])} | submissions.MISTAKES | submissions.cheats(victims)
    before = digest()
    with tempfile.TemporaryDirectory() as folder, concurrent.futures.ThreadPoolExecutor(2) as pool:
        handout = check_handout(pathlib.Path(folder))
        check_handout_deletes_nothing(pathlib.Path(folder), handout)
        check_handout_names_what_it_has(pathlib.Path(folder))
        starter = (handout / "neural_network.cpp").read_text()
        jobs = [(check_submission, f"grades: {name}", submissions.changed(solution, changes), lost)
                for name, (changes, lost) in tried.items()]
        jobs += [(check_submission, "grades: the starter", starter, submissions.EVERYTHING),
                 (check_refused, "grades: a name that is not declared", solution.replace("feed_->load", "feeds_->load"),
                  "neural_network.cpp:"),
                 (check_refused, "grades: the grader's own file, included", f'#include "{SOLVED}"\n',
                  "neural_network.cpp:1"),
                 (check_relative_include, solution),
                 (check_handout_builds, handout)]
        chosen = [job for job in jobs if not names or any(name in str(job[1]) for name in names)]
        for done in [pool.submit(*job) for job in chosen]:
            done.result()
    check("nothing that the grader is made of was changed", digest() == before)
    check("no process of a submission is left", not processes_called("course-cheat"))
    with tempfile.TemporaryDirectory() as folder:
        old = pathlib.Path(folder, "results.json")
        old.write_text("{}")
        missing = subprocess.run([*GRADER, "no_such_file.cpp", "--results", str(old)], capture_output=True, text=True,
                                 check=False)
        check("a submission that is not there is bad use, in one line",
              missing.returncode == 2 and missing.stderr.count("\n") == 1, missing.stderr)
        check("an old report does not stand for a new submission", not old.exists())
    print(f"{len(passed)} passed, {len(failed)} failed, 0 skipped")
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
