#!/usr/bin/env python3
"""techniques.py: what each technique of docs/techniques.md costs and buys on a slow network.

It trains the same network with each of TECHNIQUES on nodes that are joined by slow links
(slow_link.py), and takes the time of a step, the bytes, the share of the time in sums and waits,
and epochs and seconds to GOAL. The numbers go to bench/results/MACHINE/techniques.csv, and tables
and a picture of them to techniques.md and techniques.svg there (techniques_page.py). A new
technique is one row of TECHNIQUES. `make techniques` runs it.
"""
from __future__ import annotations

import argparse
import csv
import re
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import machine
from running import ROOT, Parser, fail, knows
from slow_link import LinkFailed, NoRight, SlowLink, end_on_signals
from techniques_page import write_page
from techniques_rows import BATCH, GOAL, STEPS, Row, Setup, Technique

SCRIPT = "techniques"
COMMON = (f"-b {BATCH} --activation relu --optimizer adam --schedule constant --threads 1 "
          f"--until {GOAL}").split()
MOST_EPOCHS = 15
MOST_SECONDS = 60  # of a run; then the goal counts as not reached

TECHNIQUES = [
    Technique("mpi", "--allreduce mpi"),
    Technique("ring", "--allreduce ring"),
    Technique("tree", "--allreduce tree"),
    Technique("overlap", "--allreduce overlap"),
    Technique("reproducible", "--reproducible"),
    Technique("bf16", "--compress bf16"),
    Technique("int8", "--compress int8"),
    Technique("topk", "--compress topk:0.01"),
    Technique("sign", "--compress sign"),
    Technique("accumulate", "--allreduce mpi --accumulate 4", slices=4),
    Technique("local 8", "--sync local:8"),
    Technique("local 16", "--sync local:16"),
    Technique("async", "--sync async:8"),
]
# What differs from `mpi` only where a node has several ranks.
IN_LEVELS = [
    Technique("mpi", "--allreduce mpi"),
    Technique("ring", "--allreduce ring"),
    Technique("hierarchical", "--allreduce hierarchical"),
]
FAST, SLOW = 1000, 100  # Mbit/s
SETUPS = [
    *((Setup(nodes, 1, mbit), TECHNIQUES) for nodes in (2, 4) for mbit in (FAST, SLOW)),
    *((Setup(2, 2, mbit), IN_LEVELS) for mbit in (FAST, SLOW)),
]
# The training set over a slow link, and each of its epochs, would take long; so it is a small one,
# of which the time of a step is taken alone.
FEW_STEPS, FEW_EPOCHS, FEW_TESTS = 16, 4, 500


# ---------------------------------------------------------------------------- a small set


def first_samples(source: Path, count: int, target: Path, header: str) -> None:
    """The first samples of an IDX file, plain or gzipped, as a plain one."""
    import gzip

    packed = source.with_name(source.name + ".gz")
    data = gzip.open(packed).read() if packed.exists() else source.read_bytes()
    numbers = list(struct.unpack_from(header, data))
    size = 1
    for length in numbers[2:]:
        size *= length
    numbers[1] = count
    begin = struct.calcsize(header)
    target.write_bytes(struct.pack(header, *numbers) + data[begin:begin + count * size])


def make_small_set(folder: Path) -> None:
    for part, count in (("train", FEW_STEPS * BATCH), ("t10k", FEW_TESTS)):
        for name, header in (("images-idx3-ubyte", ">4i"), ("labels-idx1-ubyte", ">2i")):
            name = f"{part}-{name}"
            first_samples(ROOT / "data" / name, count, folder / name, header)


# ---------------------------------------------------------------------------- a run


@dataclass
class Seen:
    """What a training printed, and the bytes that each node had sent at the end of each epoch."""

    rates: list[float]
    accuracies: list[float]
    wire: list[float]
    text: str


def watch(link: SlowLink, command: list[str]) -> Seen:
    """Runs it to its end, or to the limit of time."""
    seen = Seen([], [], [], "")
    begin = time.monotonic()
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True) as running:
        assert running.stdout is not None
        try:
            for line in running.stdout:
                seen.text += line
                found = re.match(r"epoch .* accuracy +([\d.]+) % +([\d.]+) images/s", line)
                if not found:
                    continue
                seen.accuracies.append(float(found[1]))
                seen.rates.append(float(found[2]))
                seen.wire.append(statistics.fmean(link.bytes_sent()))
                if time.monotonic() - begin > MOST_SECONDS and len(seen.rates) > 1:
                    running.terminate()
            running.wait()
        finally:
            running.terminate()  # after a failure or a signal; what has ended stays as it is
    if len(seen.rates) < 2:
        raise LinkFailed(f"no second epoch of '{' '.join(command[-20:])}': {seen.text[-300:]}")
    return seen


def share_waiting(text: str) -> float:
    """Of the time of the ranks in steps, from the line of --trace; nan if it did not get there."""
    shares = [float(s) for s in re.findall(r"(\d+) % of", "".join(
        line for line in text.split("\n") if line.startswith("# trace")))]
    return statistics.fmean(shares) / 100 if shares else float("nan")


UNITS = {"B": 1, "bytes": 1, "KB": 1e3, "MB": 1e6, "GB": 1e9}


def bytes_handed(text: str) -> float:
    found = re.search(r"^# sent ([\d.]+) (\w+) a step", text, re.M)
    return float(found[1]) * UNITS[found[2]] if found else float("nan")


def measured(link: SlowLink, setup: Setup, technique: Technique, main: Path, scratch: Path) -> Row:
    """A training on this link: to the goal over a fast one, some steps over a slow one."""
    to_the_goal = setup.mbit == FAST
    steps = STEPS if to_the_goal else FEW_STEPS
    flags = ["-e", str(MOST_EPOCHS if to_the_goal else FEW_EPOCHS), "--data",
             str(ROOT / "data" if to_the_goal else scratch), "--trace", str(scratch / "trace.json")]
    seen = watch(link, link.mpirun(setup.ranks_a_node, str(main), *COMMON, *flags,
                                   *technique.flags.split()))
    reached = to_the_goal and seen.accuracies[-1] >= GOAL
    seconds = sum(BATCH * STEPS / rate for rate in seen.rates)
    return Row(
        technique.name, technique.flags, setup.nodes, setup.ranks_a_node, setup.mbit,
        step_ms=1e3 * statistics.median(BATCH / rate for rate in seen.rates[1:]),
        waiting=share_waiting(seen.text),
        handed_bytes=bytes_handed(seen.text) / technique.slices,
        wire_bytes=(seen.wire[-1] - seen.wire[0]) / (steps * (len(seen.wire) - 1)),
        epochs=len(seen.accuracies) if reached else 0,
        seconds=seconds if reached else float("nan"))


def write_csv(path: Path, rows: list[Row]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Row)], lineterminator="\n")
        writer.writeheader()
        for row in rows:
            writer.writerow({key: f"{value:.4g}" if isinstance(value, float) else value
                             for key, value in asdict(row).items()})


def measure_all(main: Path, only: str, into: Path) -> None:
    """Each technique in each setup. The rows are in a file beside it after each run, and at the end
    that takes its place: a run that is broken off does not cost the whole results of another."""
    rows: list[Row] = []
    so_far = into.with_name(into.name + ".new")
    with tempfile.TemporaryDirectory() as folder:
        make_small_set(Path(folder))
        for setup, techniques in SETUPS:
            with SlowLink(setup.nodes, setup.mbit) as link:
                for technique in techniques:
                    if only and technique.name not in only.split(","):
                        continue
                    row = measured(link, setup, technique, main, Path(folder))
                    rows.append(row)
                    write_csv(so_far, rows)
                    print(f"# {setup.name}: {technique.flags}: {row.step_ms:.1f} ms a step, "
                          f"{row.epochs} epochs", flush=True)
    if not rows:
        fail(SCRIPT, 2, f"--only {only}: no such technique; see TECHNIQUES in bench/techniques.py")
    so_far.replace(into)
    write_page(rows, into)


# ---------------------------------------------------------------------------- the program


def options() -> argparse.Namespace:
    parser = Parser(SCRIPT, "Measures each technique on nodes with slow links. Needs root.")
    parser.add_argument("--main", type=Path, default=ROOT / "main", help="the program, in float")
    parser.add_argument("--only", default="", metavar="NAMES",
                        help="measure these alone, as mpi,int8, to build/techniques.csv")
    parser.add_argument("--machine", default=machine.machine_name(), help="folder of the results")
    chosen = parser.parse_args()
    if not knows(str(chosen.main), "--allreduce"):
        fail(SCRIPT, 2, f"{chosen.main} does not run; run `make techniques`, which builds it")
    return chosen


def run(chosen: argparse.Namespace) -> None:
    path = ROOT / "bench/results" / chosen.machine / "techniques.csv"
    if chosen.only:
        path = ROOT / "build/techniques.csv"
    measure_all(chosen.main.resolve(), chosen.only, path)
    print(f"written to {path.relative_to(ROOT)}")


def main() -> int:
    end_on_signals()
    try:
        run(options())
    except NoRight as reason:
        print(f"skipped: no slow links here: {reason}; run it as root, with iproute2 installed")
    except (LinkFailed, OSError) as error:
        fail(SCRIPT, 3, str(error))
    return 0


if __name__ == "__main__":
    sys.exit(main())
