"""cold_start.py: how long it takes from nothing to a network that reads 98 % of the test images.

A run begins when its process is started. It ends with the first epoch whose test accuracy is as
wanted, when the line of that epoch arrives here. So starting MPI or Python, importing, unpacking
the images, training and evaluating all count. The programs and the images are in the system's page
cache already. ./main trains by its defaults on two ranks; PyTorch and NumPy train the same network
on the same schedule, on one thread and on all cores. Contenders take turns. Standard library alone.
"""
from __future__ import annotations

import contextlib
import os
import re
import signal
import statistics
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import machine
import report
from running import (PEERS, ROOT, Parser, RunFailed, best_numpy_kernel, fail, last_line,
                     peers_python, run_command, with_mpi_settings)

RANKS = 2
# ./main's defaults, for the peers. What ./main says of itself is compared with them.
SCHEDULE = {"--hidden": "200", "--batch": "24", "--epochs": "16", "--rate": "1.2",
            "--decay": "0.88", "--reg": "3e-05", "--deviation": "0.1"}
SAYS = ("784-{--hidden}-10,", "{--epochs} epochs, batch {--batch}, "
        "rate {--rate} x {--decay} each epoch, reg {--reg},")
EPOCH = re.compile(r"^epoch\s+(\d+)/\d+\s.*test accuracy\s+([\d.]+) %")
# What is wanted of ./main's whole training on two quiet cores: seconds, and the accuracy after it.
WHOLE_SECONDS, WHOLE_ACCURACY = 6.0, 98.1
RUN_LIMIT_SECONDS = 300
NEVER = float("inf")
# A setting that took so many times as long as its family's best is not run again.
HOPELESS = 3


@dataclass
class Starter:
    """A setting of ./main or of a peer, and what its runs took."""

    name: str
    family: str
    command: list[str]
    reached: list[float] = field(default_factory=list)  # seconds; infinite: not in all epochs
    epochs: list[int] = field(default_factory=list)
    whole: list[float] = field(default_factory=list)  # seconds until the last epoch
    accuracy: list[float] = field(default_factory=list)  # after it

    def median(self) -> float:
        return statistics.median(self.reached)


def starters(program: str, python: str, versions: dict[str, str], data: str) -> list[Starter]:
    found = [Starter(f"{RANKS} ranks", "./main", with_mpi_settings(
        "mpirun", "-np", str(RANKS), program, "--device", "cpu", "--data", data))]
    schedule = [word for pair in SCHEDULE.items() for word in pair]
    for module, family, script in (("torch", "PyTorch", "torch_cold.py"),
                                   ("numpy", "NumPy", "numpy_cold.py")):
        if module in versions:
            found += [Starter(f"{n} thread{'' if n == 1 else 's'}", family,
                              [python, str(PEERS / script), "--threads", str(n), "--data", data,
                               *schedule]) for n in sorted({1, machine.cores()})]
    return found


def run_once(starter: Starter, seed: int, accuracy: float) -> str:
    """Adds what this run took; what went wrong, or ""."""
    command = [*starter.command, "--seed", str(seed)]
    if starter.family != "./main":  # a peer stops there; ./main goes on to its last epoch
        command += ["--accuracy", str(accuracy)]
    start = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                               start_new_session=True)
    limit = threading.Timer(RUN_LIMIT_SECONDS, os.killpg, (process.pid, signal.SIGKILL))
    limit.start()
    reached, epoch, last, text = NEVER, 0, (NEVER, 0.0), ""
    try:
        for line in process.stdout:
            text += line
            found = EPOCH.match(line)
            if found:
                last = time.monotonic() - start, float(found[2])
                if reached == NEVER and last[1] >= accuracy:
                    reached, epoch = last[0], int(found[1])
        code = process.wait()
    finally:
        limit.cancel()
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if code != 0 or last[0] == NEVER:
        return f"exit code {code}: {last_line(text)}"
    if starter.family == "./main" and not all(s.format_map(SCHEDULE) in text for s in SAYS):
        return "its defaults are not the peers' schedule: see SCHEDULE in bench/cold_start.py"
    starter.reached.append(reached)
    starter.epochs.append(epoch)
    starter.whole.append(last[0])
    starter.accuracy.append(last[1])
    return ""


def worth_running(starter: Starter, found: list[Starter]) -> bool:
    """Not where the family's best was far faster."""
    best = min((s.median() for s in found if s.family == starter.family and s.reached),
               default=NEVER)
    return not starter.reached or starter.median() <= HOPELESS * best


def seconds_text(seconds: float) -> str:
    return "never" if seconds == NEVER else f"{seconds:.2f}"


def whole_training(ours: Starter) -> str:
    seconds, accuracy = statistics.median(ours.whole), statistics.median(ours.accuracy)
    met = seconds < WHOLE_SECONDS and accuracy >= WHOLE_ACCURACY
    return (f"{seconds:.2f} s, {accuracy:.2f} %; wanted {WHOLE_SECONDS:g} s, {WHOLE_ACCURACY:g} %: "
            f"{'met' if met else 'missed'}")


def table(found: list[Starter], accuracy: float) -> list[list[str]]:
    rows = [[f"from a cold start to {accuracy:g} %", "setting", "seconds", "least to most", "epoch",
             "ratio to ./main", "all epochs"]]
    ours = next((s.median() for s in found if s.family == "./main" and s.reached), NEVER)
    for s in found:
        if not s.reached:
            continue
        ratio = s.median() / ours if NEVER not in (ours, s.median()) else None
        whole = whole_training(s) if s.family == "./main" else "-"
        rows.append([s.family, s.name, seconds_text(s.median()),
                     f"{seconds_text(min(s.reached))} to {seconds_text(max(s.reached))} "
                     f"({len(s.reached)})", f"{statistics.median(s.epochs):g}",
                     "-" if ratio is None else f"{ratio:.2f}", whole])
    return rows


def measure(program: str, python: str, versions: dict[str, str], data: str, rounds: int,
            accuracy: float) -> tuple[list[list[str]], list[str]]:
    """The table, and a line for each contender that failed. Seeds are the numbers of the rounds."""
    found = starters(program, python, versions, data)
    wrong: dict[str, str] = {}
    for module in versions:  # what is imported comes into the page cache
        with contextlib.suppress(RunFailed):
            run_command([python, "-c", f"import {module.replace('scikit-learn', 'sklearn')}"])
    for number in range(rounds):
        turn = number % len(found)
        for starter in found[turn:] + found[:turn]:
            name = f"cold start, {starter.family}, {starter.name}"
            if name not in wrong and worth_running(starter, found):
                said = run_once(starter, number + 1, accuracy)
                if said:
                    wrong[name] = said
    return table(found, accuracy), [f"{name}: {said}" for name, said in wrong.items()]


def main() -> int:
    parser = Parser("cold_start", "Times ./main and its peers from a cold start to 98 %")
    parser.add_argument("--main", default=str(ROOT / "build" / "float" / "main"), metavar="PATH")
    parser.add_argument("--peers", default=str(ROOT / "build" / "peers" / "bin" / "python"),
                        metavar="PATH", help="the Python that has the peers, else python3")
    parser.add_argument("--data", default=str(ROOT / "data"), metavar="DIR", help="MNIST's folder")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--accuracy", type=float, default=98.0, metavar="PERCENT")
    options = parser.parse_args()
    if options.rounds < 1 or not 0 < options.accuracy <= 100:
        parser.error("--rounds: a number above 0; --accuracy: above 0, up to 100")
    if not os.access(options.main, os.X_OK):
        parser.error(f"--main {options.main}: not a program; build it first")
    python, versions = peers_python(options.peers)
    if "numpy" in versions:
        os.environ["BENCH_OPENBLAS_CORETYPE"] = best_numpy_kernel(python, options.data)
    rows, failed = measure(str(Path(options.main).resolve()), python, versions, options.data,
                           options.rounds, options.accuracy)
    print(report.as_text(rows), end="")
    for line in failed:
        print(f"# failed: {line}")
    return 3 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        fail("cold_start", 3, "interrupted")
