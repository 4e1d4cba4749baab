"""density.py: from which density of the inputs on it is faster to multiply the zeros too.

It makes sets of images of so many non-zero pixels, a solid object around the middle of each, as
MNIST's (19 %) and Fashion-MNIST's (about 50 %) have it. On each set it trains ./main in two ways or
more, in turns: by skipping the zeros and by dense products. It prints the medians and where the
ways cross, and draws that. One rank of one thread. Standard library alone; `make bench-density`.
"""
from __future__ import annotations

import argparse
import csv
import math
import os
import random
import re
import shlex
import statistics
import struct
import sys
import tempfile
import time
from pathlib import Path

import chart
import machine
import report
from report import Shape
from running import ROOT, Parser, RunFailed, fail, run_command, with_mpi_settings

SIDE, PIXELS = 28, 784
SHAPES = [Shape((100,), 800), Shape((512,), 256)]
DENSITIES = [5, 10, 19, 35, 50, 65, 75, 85, 100]
WAYS = "sparse=--inputs sparse; dense=--inputs dense"
PROTOTYPES = 256
# Of a run: the first epoch warms up; so many more are run that they last about so long.
SECONDS = 0.5
Key = tuple[int, Shape, str]  # per cent, shape, way


# ---------------------------------------------------------------------------- sets


def object_mask(pixels: int, draw: random.Random) -> bytes:
    """An image with 255 at `pixels` places: an ellipse near the middle, its edge uneven."""
    row, column = (SIDE / 2 + draw.uniform(-3, 3) for _ in "rc")
    stretch = draw.uniform(0.6, 1.6)

    def distance(at: int) -> float:
        y, x = at // SIDE - row, at % SIDE - column
        return y * y * stretch + x * x / stretch + draw.uniform(0, 12)

    nearest = sorted(range(PIXELS), key=distance)[:pixels]
    mask = bytearray(PIXELS)
    for at in nearest:
        mask[at] = 255
    return bytes(mask)


def write_idx(path: Path, sizes: list[int], elements: bytes) -> None:
    header = struct.pack(f">BBBB{len(sizes)}I", 0, 0, 8, len(sizes), *sizes)
    path.write_bytes(header + elements)


def write_set(folder: Path, percent: int, images: int) -> None:
    """A training set and a small test set; each image has percent % of its pixels above zero."""
    draw = random.Random(percent)
    pixels = round(PIXELS * percent / 100)
    masks = [object_mask(pixels, draw) for _ in range(PROTOTYPES)]
    no_zero = bytes([255, *range(1, 256)])
    folder.mkdir(parents=True, exist_ok=True)
    for which, count in (("train", images), ("t10k", 100)):
        mask = int.from_bytes(b"".join(draw.choices(masks, k=count)), "big")
        grey = int.from_bytes(draw.randbytes(count * PIXELS).translate(no_zero), "big")
        write_idx(folder / f"{which}-images-idx3-ubyte", [count, SIDE, SIDE],
                  (mask & grey).to_bytes(count * PIXELS, "big"))
        write_idx(folder / f"{which}-labels-idx1-ubyte", [count],
                  bytes(draw.choices(range(10), k=count)))


# ---------------------------------------------------------------------------- runs


def rate_of(options: argparse.Namespace, folder: Path, shape: Shape, flags: list[str],
            known: float) -> float:
    """The median images/s of the epochs after the first."""
    epochs = 1 + max(1, round(SECONDS * known / options.images))
    log = folder / "epochs.csv"
    log.unlink(missing_ok=True)
    run_command(with_mpi_settings(
        "mpirun", "-np", "1", "--bind-to", "core", options.main, "--device", "cpu", "--threads",
        "1", "--data", str(folder), "--hidden", ",".join(map(str, shape.hidden)), "--batch",
        str(shape.batch), "--epochs", str(epochs), "--learning-rate", "0.01", "--csv", str(log),
        *flags))
    with log.open(newline="") as lines:
        rates = [float(row["images_per_second"]) for row in csv.DictReader(lines)]
    return statistics.median(rates[1:])


def measure(options: argparse.Namespace) -> tuple[dict[Key, list[float]], list[str]]:
    """The rates, and a line for each run that failed. Sets, shapes and ways take turns."""
    seen: dict[Key, list[float]] = {}
    failed: list[str] = []
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as place:
        for percent in options.densities:
            write_set(Path(place) / str(percent), percent, options.images)
        for number in range(options.rounds):
            for percent in options.densities:
                for shape in SHAPES:
                    names = list(options.ways)
                    turn = number % len(names)
                    for name in names[turn:] + names[:turn]:
                        rates = seen.setdefault((percent, shape, name), [])
                        try:
                            rates.append(rate_of(options, Path(place) / str(percent), shape,
                                                 options.ways[name], max(rates, default=0.0)))
                        except RunFailed as reason:
                            failed.append(f"{name}, {percent} %, {shape}: {reason}")
                            if len(failed) > 2:
                                return seen, failed
            print(f"# round {number + 1} of {options.rounds} done, "
                  f"{time.monotonic() - start:.0f} s", flush=True)
    return seen, failed


# ---------------------------------------------------------------------------- results


def ratios(options: argparse.Namespace, seen: dict[Key, list[float]], shape: Shape, way: str
           ) -> list[tuple[float, float]]:
    """At each density how many times as fast this way is as the last one."""
    last = list(options.ways)[-1]
    return [(percent, statistics.median(seen[percent, shape, way]) /
             statistics.median(seen[percent, shape, last]))
            for percent in options.densities
            if seen.get((percent, shape, way)) and seen.get((percent, shape, last))]


def crossings(points: list[tuple[float, float]]) -> list[float]:
    """The densities at which the ratio passes 1, on straight lines of its logarithm."""
    logs = [(x, math.log(ratio)) for x, ratio in points]
    return [x0 + (x1 - x0) * y0 / (y0 - y1) for (x0, y0), (x1, y1) in zip(logs, logs[1:])
            if y0 * y1 < 0]


def table(options: argparse.Namespace, seen: dict[Key, list[float]]) -> list[list[str]]:
    columns = [(shape, way) for shape in SHAPES for way in options.ways]
    rows = [["non-zero pixels, thousand images/s", *(f"{s} {way}" for s, way in columns)]]
    for percent in options.densities:
        rates = [seen.get((percent, shape, way)) for shape, way in columns]
        rows.append([f"{percent} %", *(report.thousands(statistics.median(r)) if r else "-"
                                       for r in rates)])
    return rows


def write_results(options: argparse.Namespace, seen: dict[Key, list[float]]) -> None:
    last = list(options.ways)[-1]
    print("\n" + report.as_text(table(options, seen)))
    lines = {}
    for shape in SHAPES:
        for way in list(options.ways)[:-1]:
            points = ratios(options, seen, shape, way)
            lines[f"{shape} {way}"] = points
            at = ", ".join(f"{x:.0f} %" for x in crossings(points)) or "nowhere"
            print(f"{shape}: {way} and {last} are equally fast at {at}")
    folder = Path(options.results) / (options.machine or machine.machine_name())
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "density.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["percent", "hidden", "batch", "way", "round", "images_per_second"])
        for (percent, shape, way), rates in seen.items():
            writer.writerows([percent, "-".join(map(str, shape.hidden)), shape.batch, way, i + 1,
                              f"{rate:.0f}"] for i, rate in enumerate(rates))
    marked = {name: crossings(points) for name, points in lines.items()}
    (folder / "crossing.svg").write_text(chart.line_chart(
        f"How many times as fast as {last} products", "non-zero pixels, %", lines, marked,
        "(hidden layers, batch size), one thread; dashed: where the ways are equally fast; "
        "logarithmic scale"), encoding="utf-8")
    print(f"# written to {folder}/: density.csv, crossing.svg")


def ways_of(text: str) -> dict[str, list[str]]:
    """NAME=FLAGS; NAME=FLAGS, by name."""
    pairs = [way.strip().partition("=") for way in text.split(";") if way.strip()]
    return {name.strip(): shlex.split(flags) for name, _, flags in pairs}


def main() -> int:
    parser = Parser("density", "Times ./main on made sets of several densities")
    parser.add_argument("--main", default=str(ROOT / "build" / "float" / "main"), metavar="PATH")
    parser.add_argument("--ways", default=WAYS, metavar="NAME=FLAGS;...",
                        help="what is compared, with the last one")
    parser.add_argument("--densities", default=",".join(map(str, DENSITIES)), metavar="PERCENT,...")
    parser.add_argument("--images", type=int, default=30000, help="images of a set")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--machine", default="", metavar="NAME", help="folder of the results")
    parser.add_argument("--results", default=str(ROOT / "bench" / "results"), metavar="DIR")
    options = parser.parse_args()
    options.ways = ways_of(options.ways)
    if len(options.ways) < 2:
        parser.error("--ways: expected two at least, as in 'sparse=--inputs sparse; dense=...'")
    if not re.fullmatch(r"\d+(,\d+)*", options.densities):
        parser.error(f"--densities: expected 19,50, found '{options.densities}'")
    options.densities = sorted({int(word) for word in options.densities.split(",")})
    if options.densities[-1] > 100 or options.images < 1 or options.rounds < 1:
        parser.error("--densities: up to 100; --images and --rounds: numbers above 0")
    if not os.access(options.main, os.X_OK):
        parser.error(f"--main {options.main}: not a program; build it first")
    options.main = str(Path(options.main).resolve())
    seen, failed = measure(options)
    for line in failed:
        print(f"# failed: {line}")
    if any(seen.values()):
        write_results(options, seen)
    return 3 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        fail("density", 3, "interrupted; nothing was written")
