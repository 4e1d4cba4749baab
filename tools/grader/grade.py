#!/usr/bin/env python3
"""grade.py SUBMISSION: grades a neural_network.cpp with at most 70 points. make grade calls it.

It compiles the submission apart, links it with the driver, lets it work at 1 to 5 ranks on data that it
draws only then, and asks the judge, a program that knows nothing of the submission, which of the numbers
are right. Whatever runs of the submission runs in a cell (cell.py). It prints a table, a last line
"points N / 70", and writes results.json as Gradescope takes it. Exit codes: 0 it was graded, whatever the
points; 1 the grader itself failed; 2 bad use.
"""
import argparse
import io
import json
import os
import pathlib
import re
import secrets
import shlex
import signal
import subprocess
import sys
import tarfile
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
CELL = pathlib.Path(__file__).with_name("cell.py")
UNSHARE = ["unshare", "--mount", "--net", "--ipc", "--pid", "--fork", "--kill-child", "--mount-proc"]
MPIRUN = os.environ.get("MPIRUN") or "mpirun"  # its settings are those of tests/mpi_env.sh
MB = 1 << 20
RANKS = (1, 2, 3, 4, 5)
FEW = 3  # the ranks of what is asked once


def ranks_text(ranks):
    return f"{ranks} rank{'s' if ranks > 1 else ''}"


def rows():
    """(name, points, type, ranks, question of the judge), in the order of the table."""
    for name, points, question in (("loss", 1, "loss"), ("loss told by train", 1, "loss-told"),
                                   ("gradient", 3, "step"), ("training", 4, "training"),
                                   ("training that ends early", 1, "endings")):
        for ranks in RANKS:
            yield f"{name}, {ranks_text(ranks)}", points, "float", ranks, question
    for name, points, question in (("penalty in the loss", 2, "penalty-in-loss"),
                                   ("penalty on the weights", 5, "penalty-of-weights"),
                                   ("no penalty on the biases", 3, "no-penalty-of-biases")):
        yield f"{name}, {ranks_text(FEW)}", points, "float", FEW, question
    yield f"gradient in double, {ranks_text(FEW)}", 2, "double", FEW, "step"
    yield f"training in double, {ranks_text(FEW)}", 3, "double", FEW, "training"


class Broken(Exception):
    """The grader itself cannot go on."""


class Refused(Broken):
    """This system makes no namespaces for us."""


def own_threads():
    """How many threads this user has now: all that the system counts for its limit of processes."""
    count = 0
    for tasks in pathlib.Path("/proc").glob("[0-9]*/task"):
        try:
            count += tasks.stat().st_uid == os.getuid()
        except OSError:  # ended since it was listed
            pass
    return count


class Cells:
    """Runs commands by cell.py, with namespaces where this system allows them."""

    def __init__(self):
        self.as_root = os.getuid() == 0
        prefix = UNSHARE if self.as_root else [*UNSHARE, "--map-root-user"]
        self.prefix = prefix if self.works(prefix) else []

    def works(self, prefix):
        """Whether this system allows a cell with these namespaces. Another failure is the grader's."""
        self.prefix = prefix
        try:
            status = self.run({}, ["true"], [], 30)["status"]
        except Refused:
            return False
        if status["code"] != 0:
            raise Broken(f"the command true fails in a cell: {status}")
        return True

    def note(self):
        """What protects this system less than it could, or nothing."""
        if self.prefix:
            return ""
        user = "as another user" if self.as_root else "as you, so it may change your files"
        return f"not isolated: unshare makes no namespaces here; the submission runs {user}"

    def run(self, files, command, collect, seconds, memory=2048 * MB, file=64 * MB):
        limits = {"seconds": seconds, "memory": memory, "file": file, "disk": 512 * MB,
                  "processes": 200 if self.as_root else 200 + 10 * own_threads()}
        spec = {"files": {name: str(path) for name, path in files.items()}, "command": command,
                "collect": collect, "limits": limits, "isolated": bool(self.prefix), "hide": str(ROOT),
                "uid": 30000 + os.getpid() % 30000 if self.as_root else 0}
        output = self.output_of_cell(json.dumps(spec).encode() + b"\n", seconds + 60)
        with tarfile.open(fileobj=io.BytesIO(output)) as archive:
            found = {entry.name: archive.extractfile(entry).read() for entry in archive}
        found["status"] = json.loads(found["status"])
        return found

    def output_of_cell(self, spec, seconds):
        """Whatever stops the grader stops the cell, which ends all that it has started."""
        try:
            cell = subprocess.Popen([*self.prefix, sys.executable, "-B", str(CELL)], stdin=subprocess.PIPE,
                                    stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        except FileNotFoundError as error:
            raise Refused(f"no unshare: {error}") from None
        with cell:
            try:
                output, said = cell.communicate(spec, seconds)
            except BaseException:
                # unshare hears no SIGTERM, and its end is that of the namespaces.
                (cell.kill if self.prefix else cell.terminate)()
                raise
        if cell.returncode != 0:
            text = said.decode(errors="replace")[-400:]
            kind = Refused if text.startswith(("unshare: ", "cell.py: no isolation: ")) else Broken
            raise kind(f"cell.py failed: {text}")
        return output


def first_error(output, code):
    """The compiler's first error with the lines that show it, or what else went wrong."""
    lines = output.decode(errors="replace").splitlines()
    if code is None:
        return "the compiler did not come to an end in the time and the memory that it has"
    for pattern in (r": (fatal )?error: ", r"undefined reference|multiple definition", r"error|cannot"):
        for number, line in enumerate(lines):
            if re.search(pattern, line):
                return "\n".join(text[:200] for text in lines[number:number + 3])
    return f"the compiler ended with exit code {code}: " + " ".join(lines[-1:])[:200]


def foreign_include(rule, folders):
    """A file in the rule that the compiler wrote which is neither in the cell nor in one of these folders."""
    for name in shlex.split(rule.replace("\\\n", " ")):
        path = pathlib.Path(name.removesuffix(":"))
        real = pathlib.Path(os.path.realpath(path)) if ".." in path.parts else path
        known = any(real.is_relative_to(folder) for folder in folders) if path.is_absolute() else real is path
        if not known:
            return str(path)
    return None


class Program:
    """The driver with the submission in it, for float or double."""

    def __init__(self, cells, real, submission, scratch):
        self.cells, self.real, self.scratch = cells, real, scratch
        self.build = ROOT / "build" / real / "grader"
        compiler, link = (self.build / "commands").read_text().splitlines()
        compiler = re.sub(r" -MMD\b", " -MD", compiler)  # the rule then names all that is included
        headers = [*ROOT.glob("*.h"), *ROOT.glob("src/**/*.h")]
        files = {str(header.relative_to(ROOT)): header for header in headers}
        files |= {"neural_network.cpp": submission, "rest.a": self.build / "rest.a"}
        script = (f"{compiler} -c -o submission.o neural_network.cpp && "
                  f"{compiler} -s -o driver submission.o rest.a {link}")
        made = cells.run(files, ["sh", "-c", script], ["driver", "submission.d"], 300, 6144 * MB, 256 * MB)
        code = made["status"]["code"]
        self.error = first_error(made["output"], code) if code != 0 or "driver" not in made else ""
        rule = made.get("submission.d", b"").decode(errors="replace")
        if foreign := foreign_include(rule, self.header_folders(compiler)):
            self.error = f"the submission includes {foreign}, a file that is not its own"
        if not self.error:
            self.driver = scratch / f"driver-{real}"
            self.driver.write_bytes(made["driver"])
            self.driver.chmod(0o755)

    def header_folders(self, compiler):
        """The folders where the compiler looks for headers of the system."""
        said = subprocess.run([*shlex.split(compiler), "-E", "-v", "-x", "c++", "/dev/null"], cwd=self.scratch,
                              text=True, capture_output=True, check=False, env={**os.environ, "LC_ALL": "C"}).stderr
        found = re.findall(r"^ (/\S.*)$", said.partition(" search starts here:")[2].partition("End of search")[0], re.M)
        if not found:
            raise Broken(f"the compiler does not say where its headers are: {said[-200:]}")
        return [pathlib.Path(form) for folder in found for form in (folder, os.path.realpath(folder))]

    def answers(self, ranks, seconds):
        """The judge's word on each question: {name: what is wrong, or nothing}; and whether time ran out."""
        seed, nonce = str(secrets.randbits(63)), secrets.token_hex(16)
        names = [f"out/{rank}" for rank in range(ranks)]
        done = self.cells.run({"driver": self.driver}, [MPIRUN, "-np", str(ranks), "./driver", seed, nonce, "out"],
                              names, seconds)
        with tempfile.TemporaryDirectory(dir=self.scratch) as folder:
            for name in names:
                if name in done:
                    (pathlib.Path(folder) / name[4:]).write_bytes(done[name])
            said = subprocess.run([self.build / "judge", seed, str(ranks), nonce, folder],
                                  capture_output=True, text=True, check=False)
        if said.returncode != 0:
            raise Broken(f"the judge failed: {said.stderr[-400:]}")
        code, over = done["status"]["code"], done["status"]["over"]
        end = {"time": f": its {seconds} s were over. Perhaps a rank waits for others in a call that they do not make",
               "memory": ": its processes took more memory than they may"}.get(
                   over, f": its exit code was {code}" if code else "")
        answers = {}
        for line in said.stdout.splitlines():
            name, right, fault = line.split(" ", 2)
            answers[name] = "" if right == "1" else fault + (end if "ended before" in fault else "")
        return answers, over == "time"


def grade(submission, seconds, cells, scratch):
    """A list of (name, points, of, text), the build first."""
    table = list(rows())
    program = Program(cells, "float", submission, scratch)
    if program.error:
        return [("builds", 0, 5, program.error)] + [(row[0], 0, row[1], "not built") for row in table]
    answers, late = {}, 0
    for ranks in RANKS:
        if late < 2:  # a submission that does not end costs two times the limit, not six
            answers["float", ranks], timed_out = program.answers(ranks, seconds)
            late += timed_out
    # In double only what is right in float: some submissions need not be compiled again.
    in_float = answers.get(("float", FEW), {})
    if any(in_float.get(question) == "" for _, _, real, _, question in table if real == "double"):
        program = Program(cells, "double", submission, scratch)
        if not program.error:
            answers["double", FEW], _ = program.answers(FEW, seconds)
    graded = []
    for name, points, real, ranks, question in table:
        asked = answers.get((real, ranks))
        if real == "double" and in_float.get(question) != "":
            text = "not right in float"
        elif asked is None:
            text = "not built" if real == "double" else "not run: the submission did not end before"
        else:
            text = asked[question]
        graded.append((name, 0 if text else points, points, text))
    works = any(points for _, points, _, _ in graded)
    return [("builds", 5 if works else 0, 5, "" if works else "it builds, but does nothing right"), *graded]


def report(graded, results, note):
    """Prints the table and writes results.json."""
    print("points      test")
    for name, points, most, text in graded:
        first, *others = text.splitlines() or [""]
        print(f"{points:3d} / {most:<3d}   {name:36s}{first}".rstrip())
        for line in others:
            print(f"            {line}")
    tests = [{"name": name, "score": points, "max_score": most, "output": text or "right"}
             for name, points, most, text in graded]
    results.parent.mkdir(parents=True, exist_ok=True)
    new = results.with_name(results.name + ".new")
    new.write_text(json.dumps({"output": note, "tests": tests}, indent=1) + "\n")
    new.replace(results)
    print(f"points {sum(row[1] for row in graded)} / {sum(row[2] for row in graded)}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("submission", type=pathlib.Path)
    parser.add_argument("--results", type=pathlib.Path, default=ROOT / "build" / "grade" / "results.json")
    parser.add_argument("--seconds", type=int, default=60, help="that a run of the submission may take")
    arguments = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: sys.exit(128 + number))  # so that what runs is ended, too
    try:
        arguments.results.unlink(missing_ok=True)  # an old report must not stand for this submission
        if not arguments.submission.is_file():
            print(f"grade.py: {arguments.submission}: no such file; say make grade SUBMISSION=path/neural_network.cpp",
                  file=sys.stderr)
            return 2
        cells = Cells()
        if cells.note():
            print(f"# {cells.note()}", file=sys.stderr)
        with tempfile.TemporaryDirectory() as scratch:
            graded = grade(arguments.submission.resolve(), arguments.seconds, cells, pathlib.Path(scratch))
        report(graded, arguments.results, cells.note())
    except (Broken, OSError, subprocess.TimeoutExpired) as error:
        print(f"grade.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
