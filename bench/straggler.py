"""straggler.py: what each way to go on does with a rank that is slow on purpose.

One rank's process is stopped and continued in turn by signals (SIGSTOP, SIGCONT), so that it really
runs for 1/FACTOR of the time, wherever in a step it is. Every contender trains the same network,
with the slow rank and without, and the table has the medians. Linux alone; standard library alone.
"""
from __future__ import annotations

import csv
import os
import re
import signal
import statistics
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import machine
from running import Parser, ROOT, RunFailed, fail, knows, last_line, with_mpi_settings
from slow_link import end_on_signals

SCRIPT = "straggler"
LIMIT_SECONDS = 600
PERIOD_SECONDS = 0.02  # of running and being stopped
WAYS = ["--allreduce mpi", "--sync local:8", "--sync local:32", "--sync async:4", "--sync async"]


@dataclass
class Run:
    """What one training said: its epochs, with the seconds since the first of them began."""
    step_us: float
    wait_share: float  # of rank 0's time in steps
    accuracies: list[tuple[float, float]]  # seconds, percent
    staleness: str

    def accuracy_at(self, seconds: float) -> float | None:
        """After the last epoch that had ended by then."""
        ended = [percent for at, percent in self.accuracies if at <= seconds]
        return ended[-1] if ended else None


class Slowing(threading.Thread):
    """Stops and continues a process until end() is called or the process ends."""

    def __init__(self, process: int, factor: float) -> None:
        super().__init__(daemon=True)
        self.process, self.factor, self.ends = process, factor, threading.Event()

    def run(self) -> None:
        runs = PERIOD_SECONDS / self.factor
        try:
            while not self.ends.is_set():
                os.kill(self.process, signal.SIGSTOP)
                time.sleep(PERIOD_SECONDS - runs)
                os.kill(self.process, signal.SIGCONT)
                time.sleep(runs)
        except ProcessLookupError:
            pass

    def end(self) -> None:
        self.ends.set()
        self.join()


def process_of_rank(folder: Path, rank: int) -> int:
    """The process that has written its number there, once it is ./main."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        if (folder / f"rank-{rank}").exists():
            text = (folder / f"rank-{rank}").read_text(encoding="utf-8").strip()
            if text:
                return int(text)
        time.sleep(0.005)
    raise RunFailed(f"rank {rank} did not start")


def train(options, way: str, slow: tuple[int, float] | None) -> Run:
    """One training. A rank's shell writes its process number and becomes ./main."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        flags = [*options.flags.split(), *way.split(), "--schedule", "constant", "--threads", "1",
                 "-e", str(options.epochs), "--csv", str(folder / "log.csv")]
        rank = "${OMPI_COMM_WORLD_RANK:-$PMI_RANK}"
        shell = f'echo $$ > "{folder}/rank-{rank}"; exec "$@"'
        command = with_mpi_settings("mpirun", "-np", str(options.ranks), "sh", "-c", shell, "sh",
                                    options.main, *flags)
        slowing = None
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              stdin=subprocess.DEVNULL, text=True) as run:
            timer = threading.Timer(LIMIT_SECONDS, run.kill)
            timer.start()
            try:
                if slow is not None:
                    slowing = Slowing(process_of_rank(folder, slow[0]), slow[1])
                    slowing.start()
                text = run.stdout.read()
            except BaseException:
                run.terminate()
                raise
            finally:
                timer.cancel()
                if slowing is not None:
                    slowing.end()  # a rank that stays stopped would never end
        if run.returncode != 0:
            raise RunFailed(f"{way}: exit code {run.returncode}: {last_line(text)}")
        return result_of(text, folder / "log.csv")


def result_of(text: str, log: Path) -> Run:
    with log.open(encoding="utf-8", newline="") as lines:
        rows = [row for row in csv.DictReader(lines) if row["accuracy"]]
    seconds = [float(row["seconds"]) for row in rows]
    split = re.search(r"# time [\d.]+ s: data [\d.]+, compute ([\d.]+), communication ([\d.]+)", text)
    if split is None or len(rows) < 2:
        raise RunFailed("the run did not say where its time went")
    computed, waited = float(split[1]), float(split[2])
    stale = re.search(r"# staleness .*; (.*)", text)
    batch = int(re.search(r"# training .*batch (\d+)", text)[1])
    # The first epoch also fills caches and starts threads. Evaluations are not in this speed.
    speed = statistics.median(float(row["images_per_second"]) for row in rows[1:])
    return Run(1e6 * batch / speed, waited / max(computed + waited, 1e-9),
               [(at, 100 * float(row["accuracy"])) for at, row in zip(seconds, rows)],
               stale[1] if stale else "")


def median_of(runs: list[Run], equal_seconds: float) -> str:
    accuracies = [run.accuracy_at(equal_seconds) for run in runs]
    known = [a for a in accuracies if a is not None]
    accuracy = f"{statistics.median(known):.2f} %" if len(known) == len(runs) else "no epoch yet"
    return (f"{statistics.median(run.step_us for run in runs):.0f} | "
            f"{100 * statistics.median(run.wait_share for run in runs):.0f} % | {accuracy}")


def print_table(options, runs: dict[str, dict[bool, list[Run]]]) -> None:
    described = machine.describe()
    print(f"\n{described['cpu']}, {described['cores']} cores; load of the machine at the end "
          f"{os.getloadavg()[0]:.1f}. {options.ranks} ranks of one thread, {options.flags}, "
          f"{options.epochs} epochs of a constant rate, {options.rounds} rounds in turns, medians. "
          f"Rank {options.slow[0]} runs for 1/{options.slow[1]:g} of the time.\n")
    # Until then the fastest way has done all its epochs.
    ends = {slow: min(statistics.median(run.accuracies[-1][0] for run in of_way[slow])
                      for of_way in runs.values()) for slow in (False, True)}
    print(f"| flag | us a step | waits | accuracy after {ends[False]:.1f} s | slow: us a step "
          f"| waits | accuracy after {ends[True]:.1f} s | times as long | staleness |")
    print("|---|---|---|---|---|---|---|---|---|")
    for way, of_way in runs.items():
        even, slow = (statistics.median(run.step_us for run in of_way[s]) for s in (False, True))
        print(f"| `{way}` | {median_of(of_way[False], ends[False])} | "
              f"{median_of(of_way[True], ends[True])} | {slow / even:.2f} | "
              f"{of_way[True][-1].staleness} |")


def slow_rank(text: str) -> tuple[int, float]:
    rank, _, factor = text.partition(":")
    value = (int(rank), float(factor))
    if value[0] < 0 or not 1 < value[1] <= 100:
        raise ValueError
    return value


def parsed():
    parser = Parser(SCRIPT, "What a slow rank costs each way to train together.")
    parser.add_argument("--slow-rank", dest="slow", metavar="R:FACTOR", default="1:4",
                        help="rank R runs for 1/FACTOR of the time, FACTOR above 1 (default 1:4)")
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--flags", default="-n 200 -b 256", help="the training's flags")
    parser.add_argument("--way", action="append", help="flags of one contender; may be repeated")
    parser.add_argument("--main", default=str(ROOT / "main"))
    options = parser.parse_args()
    try:
        options.slow = slow_rank(options.slow)
    except ValueError:
        parser.error("--slow-rank: expected R:FACTOR with a rank and a number above 1 and at most "
                     f"100, found {options.slow}")
    if options.slow[0] >= options.ranks or options.ranks < 2:
        parser.error(f"--slow-rank: there is no rank {options.slow[0]} of {options.ranks} ranks, or "
                     "no other one")
    if options.rounds < 1 or options.epochs < 2:
        parser.error("expected at least 1 round and 2 epochs")
    return options


def main() -> None:
    options = parsed()
    end_on_signals()
    if not knows(options.main, "--sync"):
        fail(SCRIPT, 2, f"{options.main} is not there, or too old; run make main")
    ways = options.way or WAYS
    runs: dict[str, dict[bool, list[Run]]] = {way: {False: [], True: []} for way in ways}
    try:
        for turn in range(options.rounds):
            for way in ways[turn % len(ways):] + ways[:turn % len(ways)]:
                for slow in (False, True):
                    run = train(options, way, options.slow if slow else None)
                    runs[way][slow].append(run)
                    print(f"# round {turn + 1}, {way}{', slow rank' if slow else ''}: "
                          f"{run.step_us:.0f} us a step, waits {100 * run.wait_share:.0f} %, "
                          f"{run.accuracies[-1][1]:.2f} %", flush=True)
    except RunFailed as error:
        fail(SCRIPT, 1, str(error))
    print_table(options, runs)


if __name__ == "__main__":
    main()
