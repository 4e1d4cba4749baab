"""ladder_cpu.py: what each idea of the CPU's training bought, one rung after the other.

One thread: all products by oneDNN, where it is built (peers/onednn_mlp.cpp); then the program's own
functions, in cpu_ladder.cpp. Two workers, by ./main: two ranks with a replica each, two ranks that work
on one replica, and the same beside a busy loop on each core, where waiting must not take its share. All
take turns in rounds, whose order moves on; a figure is the median, in microseconds an image.
docs/performance.md tells the ideas. Standard library alone.
"""
from __future__ import annotations

import contextlib
import os
import re
import statistics
import subprocess
import sys
from pathlib import Path

import machine
import report
from running import ROOT, Parser, RunFailed, fail, run_command, with_mpi_settings

SHAPES = [(200, 24), (100, 800), (512, 256), (1024, 1024)]
LIBRARY = "all products by oneDNN"
COPIES, ONE = "two ranks, a replica each", "two ranks on one replica"
BUSY = "the same beside busy loops"
RATE = re.compile(r"(\d+) images/s")


def by_library(program: str, hidden: int, batch: int, data: str) -> float:
    said = run_command([program, "--hidden", str(hidden), "--batch", str(batch), "--threads", "1",
                        "--seconds", "0.3", "--data", data])
    return 1e6 / float(re.search(r"^images/s (\d+)$", said, re.MULTILINE)[1])


def by_main(program: str, hidden: int, batch: int, data: str, allreduce: str) -> float:
    """The median of the epochs after the first."""
    said = run_command(with_mpi_settings(
        "mpirun", "-np", "2", program, "--device", "cpu", "--data", data, "-n", str(hidden), "-b",
        str(batch), "-e", "5", "--threads", "1", "--allreduce", allreduce))
    rates = [float(rate) for rate in RATE.findall(said)][1:]
    return 1e6 / statistics.median(rates)


def by_main_beside_loops(*arguments) -> float:
    loops = [subprocess.Popen(["sh", "-c", "while :; do :; done"]) for _ in range(machine.cores())]
    try:
        return by_main(*arguments)
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def by_ladder(program: str, data: str) -> dict[tuple[int, int, str], float]:
    found = {}
    for line in run_command([program, data, "3"]).splitlines():
        fields = line.split(",")
        if len(fields) == 5 and fields[0].isdigit():
            found[int(fields[0]), int(fields[1]), fields[2]] = float(fields[3])
    return found


def measure(options) -> dict[tuple[int, int, str], list[float]]:
    seen: dict[tuple[int, int, str], list[float]] = {}

    def add(key: tuple[int, int, str], value: float) -> None:
        seen.setdefault(key, []).append(value)

    contenders = [(COPIES, lambda *shape: by_main(options.main, *shape, options.data, "mpi")),
                  (ONE, lambda *shape: by_main(options.main, *shape, options.data, "shared")),
                  (BUSY, lambda *shape: by_main_beside_loops(options.main, *shape, options.data,
                                                             "shared"))]
    if os.access(options.onednn, os.X_OK):
        contenders.append((LIBRARY,
                           lambda *shape: by_library(options.onednn, *shape, options.data)))
    for turn in range(options.rounds):
        for key, value in by_ladder(options.ladder, options.data).items():
            add(key, value)
        for shape in SHAPES[turn % len(SHAPES):] + SHAPES[:turn % len(SHAPES)]:
            for rung, run in contenders[turn % len(contenders):] + contenders[:turn % len(contenders)]:
                add((*shape, rung), run(*shape))
    return seen


def table(seen: dict[tuple[int, int, str], list[float]]) -> list[list[str]]:
    """Behind each figure: how many times as fast as the rung before."""
    rungs = list(dict.fromkeys(rung for _, _, rung in seen))
    workers = [COPIES, ONE, BUSY]
    rungs.sort(key=lambda rung: (workers.index(rung) if rung in workers else -1, rung != LIBRARY))
    rows = [["us an image", *(f"({h}, {b})" for h, b in SHAPES)]]
    before: dict[tuple[int, int], float] = {}
    for rung in rungs:
        row = [rung]
        for shape in SHAPES:
            now = statistics.median(seen[(*shape, rung)])
            gain = f" ({before[shape] / now:.2f} x)" if shape in before else ""
            row.append(f"{now:.3f}{gain}")
            before[shape] = now
        rows.append(row)
    return rows


def main() -> int:
    build = ROOT / "build" / "float"
    parser = Parser("ladder_cpu", "Times the ideas of the CPU's training, one after the other")
    parser.add_argument("--main", default=str(build / "main"), metavar="PATH")
    parser.add_argument("--ladder", default=str(build / "bench" / "cpu_ladder"), metavar="PATH")
    parser.add_argument("--onednn", default=str(build / "bench" / "onednn_mlp"), metavar="PATH")
    parser.add_argument("--data", default=str(ROOT / "data"), metavar="DIR", help="MNIST's folder")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--keep", action="store_true", help="write it to bench/results/MACHINE/")
    parser.add_argument("--machine", default=machine.machine_name(), metavar="NAME")
    options = parser.parse_args()
    if options.rounds < 1:
        parser.error("--rounds: a number above 0")
    if not os.access(options.onednn, os.X_OK):
        print("# left out: oneDNN, which is not installed")
    try:
        seen = measure(options)
    except RunFailed as error:
        fail("ladder_cpu", 3, str(error))
    text = f"# {machine.cpu_model()}, {machine.cores()} cores\n" + report.as_text(table(seen))
    print(text, end="")
    if options.keep:
        folder = Path(ROOT / "bench" / "results" / options.machine)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "ladder.txt").write_text(text)
    return 0


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        sys.exit(main())
