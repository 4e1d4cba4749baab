"""scaling_runs.py: starts ./main and the collectives on several ranks, and keeps their times."""
from __future__ import annotations

import csv
import re
import statistics
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from scaling_model import Network

ROOT = Path(__file__).resolve().parent.parent
IMAGES, INPUTS, CLASSES = 60_000, 784, 10

SMALL = (4, 64, 3)  # on one rank alone: what a step costs that computes next to nothing
# --allreduce, --feed of ./main.
MODES = [("mpi", "resident"), ("auto", "resident"), ("mpi", "scattered")]


class Stop(Exception):
    """One line for the user, and the exit code."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True)
class Case:
    """One way to start ./main."""

    hidden: int
    batch: int
    epochs: int
    ranks: int
    allreduce: str = "mpi"
    feed: str = "resident"

    @property
    def network(self) -> Network:
        return Network((INPUTS, self.hidden, CLASSES))

    @property
    def steps(self) -> int:
        return -(-IMAGES // self.batch)

    def flags(self, csv_file: str) -> list[str]:
        text = (
            f"--device cpu --threads 1 --allreduce {self.allreduce} --feed {self.feed} "
            f"--hidden {self.hidden} --batch {self.batch} --epochs {self.epochs} "
            f"--learning-rate 0.1 --csv {csv_file}"
        )
        return text.split()


@dataclass
class Timed:
    """Seconds a step, one value an epoch that counts; and the footer's split, one value a run."""

    step: list[float] = field(default_factory=list)
    compute: list[float] = field(default_factory=list)
    communication: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        return statistics.median(self.step)


def run_ranks(ranks: int, command: list[str]) -> str:
    """What `command` prints on `ranks` ranks. tests/mpi_env.sh: root, and ranks beyond cores."""
    start = '. tests/mpi_env.sh && exec mpirun -q -np "$@"'
    words = ["sh", "-c", start, "sh", str(ranks), *command]
    try:
        done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=600)
    except subprocess.TimeoutExpired as error:
        text = f"{command[0]} on {ranks} ranks took over 600 s; is the machine busy?"
        raise Stop(3, text) from error
    if done.returncode != 0:
        said = (done.stderr.strip() or "nothing was printed").split("\n")[0]
        raise Stop(3, f"{command[0]} on {ranks} ranks ended with {done.returncode}: {said}")
    return done.stdout


def time_case(main: Path, case: Case, into: Timed) -> None:
    with tempfile.TemporaryDirectory() as folder:
        lines = Path(folder) / "epochs.csv"
        printed = run_ranks(case.ranks, [str(main), *case.flags(str(lines))])
        with lines.open(encoding="utf-8", newline="") as file:
            rates = [float(row["images_per_second"]) for row in csv.DictReader(file)]
    # An epoch's last mini-batch may be smaller: in whole mini-batches it is IMAGES / batch steps.
    into.step += [case.batch / rate for rate in rates[1:]]
    split = re.search(r"^# time .*compute ([\d.]+), communication ([\d.]+)", printed, re.M)
    if not split:
        raise Stop(3, f"{main} printed no line '# time ... compute C, communication C'")
    steps = case.steps * case.epochs
    into.compute.append(float(split[1]) / steps)
    into.communication.append(float(split[2]) / steps)


def all_cases(measured: list[tuple[int, int, int]], ranks: list[int]) -> list[Case]:
    """One rank with a rank's part of the mini-batch; and every number of ranks in every mode."""
    cases = []
    for hidden, batch, epochs in [SMALL, *measured]:
        cases += [Case(hidden, -(-batch // part), epochs, 1) for part in (1, 2, 4, 8)]
    for hidden, batch, epochs in measured:
        for allreduce, feed in MODES:
            cases += [Case(hidden, batch, epochs, p, allreduce, feed) for p in ranks if p > 1]
    return cases


def measure_steps(main: Path, cases: list[Case], rounds: int) -> dict[Case, Timed]:
    """Rounds over all cases, so that a slow spell of a shared machine falls on all alike."""
    times = {case: Timed() for case in cases}
    start = time.monotonic()
    for turn in range(rounds):
        for case in cases:
            time_case(main, case, times[case])
        left = (time.monotonic() - start) / (turn + 1) * (rounds - turn - 1) / 60
        print(f"# round {turn + 1} of {rounds} is done, {left:.0f} minutes left", flush=True)
    print()
    return times


def one_rank(case: Case) -> Case:
    """What a case's speed-up is over."""
    return Case(case.hidden, case.batch, case.epochs, 1)


Collectives = dict[str, dict[tuple[int, int], float]]


def measure_collectives(program: Path, ranks: list[int]) -> Collectives:
    """collective -> (ranks, bytes) -> seconds"""
    seen: Collectives = {"allreduce": {}, "scatterv": {}}
    for p in ranks:
        if p == 1:
            continue
        for line in run_ranks(p, [str(program)]).split():
            name, size, count, value = line.split(",")
            seen[name][int(size), int(count)] = float(value) * 1e-6
    return seen
