#!/usr/bin/env python3
"""scaling.py: how training gets faster with more ranks: measured here, fitted, projected.

It trains with 1 to 8 ranks, times MPI's collectives, fits the model of scaling_model.py to both and
projects the speed-up on 1 to 10,000 nodes. What was measured and what was projected never stand in
one table or one chart. `make scaling` runs it; SCALING.md explains the model. Standard library
alone. Results go to bench/results/MACHINE/scaling_*.
"""
from __future__ import annotations

import argparse
import csv
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import machine
import scaling_model as model
from scaling_chart import Chart, Panel, Series, write_chart
from scaling_model import COLLECTIVES, Link, Network
from scaling_runs import (
    CLASSES,
    INPUTS,
    ROOT,
    Case,
    Collectives,
    Stop,
    Timed,
    all_cases,
    measure_collectives,
    measure_steps,
    one_rank,
)

# Hidden layer, images of a mini-batch, epochs (the first is not counted).
MEASURED = [(100, 800, 6), (512, 256, 3), (1024, 1024, 3)]
RANKS = [1, 2, 3, 4, 5, 6, 7, 8]

PROJECTED = [(4, 3, 1), (100, 50, 10), (784, 100, 10), (1000, 512, 100), (10_000, 4000, 1000)]
NODES = [1, 2, 4, 8, 16, 100, 1000, 10_000]
GIGABITS = [100, 400]


# ---------------------------------------------------------------- output


class Report:
    """Prints, and keeps what was printed and every table as CSV."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lines: list[str] = []
        folder.mkdir(parents=True, exist_ok=True)

    def say(self, text: str = "") -> None:
        print(text, flush=True)
        self.lines.append(text)

    def rows(self, name: str, head: list[str], rows: Sequence[Sequence[object]]) -> None:
        with (self.folder / f"scaling_{name}.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([head, *rows])

    def table(self, head: list[str], rows: list[list[str]]) -> None:
        widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
        for row in [head, *rows]:
            first = row[0].ljust(widths[0])
            self.say("  ".join([first, *(c.rjust(w) for c, w in zip(row[1:], widths[1:]))]))
        self.say()

    def close(self) -> None:
        text = "\n".join(self.lines) + "\n"
        (self.folder / "scaling.txt").write_text(text, encoding="utf-8")


def micro(seconds: float) -> str:
    return f"{seconds * 1e6:.0f}"


def say_steps(report: Report, times: dict[Case, Timed]) -> None:
    rows, shown = [], []
    for case, timed in times.items():
        speedup = times[one_rank(case)].median / timed.median
        split = statistics.median(timed.compute), statistics.median(timed.communication)
        facts = [case.network.name, case.batch, case.ranks, case.allreduce, case.feed]
        values = [timed.median, min(timed.step), max(timed.step), *split]
        rate = case.batch / timed.median
        rows.append([*facts, *(f"{v * 1e6:.2f}" for v in values), f"{rate:.0f}", f"{speedup:.3f}"])
        shown.append([*map(str, facts), *map(micro, values), f"{rate:,.0f}", f"{speedup:.2f}"])
    head = "network batch ranks allreduce feed step_us min_us max_us compute_us communication_us"
    names = [*head.split(), "images_per_second", "speedup"]
    report.say("MEASURED: steps of ./main with --threads 1, medians. Compute and communication are")
    report.say("rank 0's; where the feed is resident, communication includes a part of that one time.")
    report.table(names, shown)
    report.rows("measured", names, rows)


def say_collectives(report: Report, seen: Collectives) -> None:
    rows = [
        [name, ranks, size, f"{seconds * 1e6:.3f}"]
        for name, values in seen.items()
        for (ranks, size), seconds in values.items()
    ]
    report.rows("collectives", ["collective", "ranks", "bytes", "us"], rows)
    ranks = sorted({p for p, _ in seen["allreduce"]})
    for name, values in seen.items():
        report.say(f"MEASURED: MPI {name}, us a call, by bytes and ranks")
        sizes = sorted({size for _, size in values})
        table = [[f"{size:,}", *(f"{values[p, size] * 1e6:.1f}" for p in ranks)] for size in sizes]
        report.table(["bytes", *(f"{p} ranks" for p in ranks)], table)


@dataclass(frozen=True)
class Fitted:
    compute: model.ComputeFit
    allreduce: dict[str, model.Fit]
    scatter: model.Fit

    @property
    def best(self) -> str:
        """The form of allreduce that misses what was measured by less."""
        return min(self.allreduce, key=lambda name: model.rms(self.allreduce[name].errors))


def fit_all(times: dict[Case, Timed], seen: Collectives, cores: int) -> Fitted:
    alone = {
        (case.network, case.batch): timed.median
        for case, timed in times.items()
        if case.ranks == 1
    }
    reduced = {
        name: model.fit_link(terms, seen["allreduce"], cores)
        for name, terms in COLLECTIVES.items()
    }
    scatter = model.fit_link(model.linear_scatter, seen["scatterv"], cores)
    return Fitted(model.fit_compute(alone), reduced, scatter)


def say_link_residuals(report: Report, fitted: Fitted, seen: Collectives) -> None:
    """(model - measured) / measured of every collective, which the fits' misses sum up."""
    fits = [("allreduce", form, fit) for form, fit in fitted.allreduce.items()]
    for name, form, fit in [*fits, ("scatterv", "linear", fitted.scatter)]:
        errors = dict(zip(seen[name], fit.errors))
        ranks = sorted({p for p, _ in errors})
        sizes = sorted({size for _, size in errors})
        report.say(f"FITTED: residuals of {name}, {form}, by bytes and ranks")
        rows = [[f"{size:,}", *(f"{errors[p, size]:+.0%}" for p in ranks)] for size in sizes]
        report.table(["bytes", *(f"{p} ranks" for p in ranks)], rows)


def say_fit(report: Report, fitted: Fitted, cores: int) -> None:
    def misses(errors: list[float]) -> list[str]:
        return [f"{model.rms(errors):.0%}", f"{max(map(abs, errors)):.0%}"]

    def link_row(name: str, fit: model.Fit) -> list[str]:
        alpha, beta = f"{fit.link.alpha * 1e6:.2f} us", f"{fit.link.beta * 1e9:.3f} ns"
        return [name, f"alpha {alpha}, beta {beta} a byte", *misses(fit.errors)]

    compute = fitted.compute
    report.say(f"FITTED: {cores} cores; where p ranks exceed them, every term is multiplied by")
    report.say(f"p / {cores}: the ranks take turns. Steps alone on a core: a + c n + b images")
    constants = f"a {compute.a * 1e6:.1f} us, c {compute.c * 1e9:.4f} ns a parameter"
    rows = [["compute", constants, *misses(compute.errors)]]
    for network, b in compute.b.items():
        rate = f"{compute.rate(network) / 1e9:.1f} GFLOP/s"
        rows.append([f"  {network.name}", f"b {b * 1e6:.3f} us an image = {rate}", "", ""])
    rows += [link_row(f"allreduce, {name}", fit) for name, fit in fitted.allreduce.items()]
    rows.append(link_row("scatterv, linear", fitted.scatter))
    report.table(["term", "coefficients", "misses by, rms", "at most"], rows)


def model_step(fitted: Fitted, case: Case, cores: int) -> float:
    """The model's step of a measured case, by what was fitted."""
    form, p = fitted.best, case.ranks
    network, images = case.network, -(-case.batch // p)
    total = fitted.compute.seconds(network, images)
    if p > 1:
        total += fitted.allreduce[form].link.seconds(COLLECTIVES[form](p, network.gradient_bytes))
        if case.feed == "scattered":
            pixels = model.linear_scatter(p, case.batch * INPUTS)
            total += fitted.scatter.link.seconds(pixels)
    return model.shared(p, cores) * total


def say_residuals(report: Report, fitted: Fitted, times: dict[Case, Timed], cores: int) -> None:
    rows, errors = [], []
    for case, timed in times.items():
        if case.allreduce != "mpi":  # the model knows MPI's collectives alone
            continue
        step = model_step(fitted, case, cores)
        errors.append(step / timed.median - 1)
        rows.append(
            [case.network.name, str(case.batch), str(case.ranks), case.feed]
            + [f"{step * 1e6:.1f}", f"{(step - timed.median) * 1e6:+.1f}", f"{errors[-1]:+.1%}"]
        )
    head = ["network", "batch", "ranks", "feed", "model_us", "residual_us", "residual"]
    report.say(f"FITTED: the model ({fitted.best}) less what was measured with --allreduce mpi")
    report.table(head, rows)
    report.say(f"rms of the residuals {model.rms(errors):.0%}, largest {max(map(abs, errors)):.0%}")
    report.say()
    report.rows("fit", head, rows)


# ---------------------------------------------------------------- projection


def this_machine_as_node(fitted: Fitted, times: dict[Case, Timed], ranks: int) -> model.Node:
    """`ranks` cores: the fitted rate of one, times the speed-up measured with a rank on each."""
    measured = [Network((INPUTS, hidden, CLASSES)) for hidden, _, _ in MEASURED]
    rate = statistics.median(fitted.compute.rate(network) for network in measured)
    hidden, batch, epochs = max(MEASURED)
    one = Case(hidden, batch, epochs, 1)
    on_all = Case(hidden, batch, epochs, ranks, "auto") if ranks > 1 else one
    rate *= times[one].median / times[on_all].median
    return model.Node(ranks, rate, fitted.compute.a, fitted.compute.c)


@dataclass(frozen=True)
class Projected:
    """A line of the projection."""

    network: Network
    batch: int
    gigabits: int
    allreduce: str
    feed: str
    nodes: int
    step: model.Step
    alone: model.Step

    @property
    def speedup(self) -> float:
        return self.alone.seconds / self.step.seconds

    def cells(self) -> list[object]:
        step = self.step
        times = (step.compute, step.allreduce, step.scatter, step.seconds)
        facts = [self.network.name, self.network.parameters, self.batch, self.gigabits]
        facts += [self.allreduce, self.feed, self.nodes, step.images]
        return [*facts, *(f"{seconds * 1e6:.3f}" for seconds in times), f"{self.speedup:.6g}"]


PROJECTED_HEAD = (
    "network parameters batch gigabits allreduce feed nodes images_per_node compute_us "
    "allreduce_us scatter_us step_us speedup"
).split()


def project_all(node: model.Node, batch: int, alpha: float) -> list[Projected]:
    rows: list[Projected] = []
    for gigabits in GIGABITS:
        link = Link(alpha, 8 / (gigabits * 1e9))
        for feed in ("resident", "scattered"):
            for network in map(Network, PROJECTED):
                for form, terms in COLLECTIVES.items():
                    steps = {
                        p: model.project(node, link, terms, network, batch, p, feed == "scattered")
                        for p in NODES
                    }
                    rows += [
                        Projected(network, batch, gigabits, form, feed, p, step, steps[1])
                        for p, step in steps.items()
                    ]
    return rows


def say_assumptions(report: Report, node: model.Node, batch: int, alpha: float) -> None:
    report.say("PROJECTED, not measured: speed-up of a step over one node. Assumed:")
    for line in (
        f"strong scaling: a mini-batch of {batch:,} images in all, ceil({batch:,}/p) on a node",
        f"a node is {node.cores} cores of this machine: {node.rate / 1e9:.0f} GFLOP/s (measured at "
        "784-H-10; taken for all",
        f"  networks and for however few images), and {node.a * 1e6:.1f} us a step and "
        f"{node.c * 1e9:.4f} ns a parameter (fitted)",
        f"a message takes alpha = {alpha * 1e6:g} us (assumed, not measured here) and its bytes at "
        "the link's full speed;",
        "  every node can send and receive at that speed at the same time as all others",
        "ring: 2(p-1) messages of 1/p of the gradient; tree: 2 ceil(log2 p) of all of it; float32",
        "no overlap of computing and sending, no stragglers, summing costs nothing beside sending",
        "feed resident: the images are there before; scattered: node 0 sends each node its pixels",
    ):
        report.say(f"  {line}" if line.startswith("  ") else f"- {line}")
    report.say()


def speedup_text(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def say_projection(report: Report, rows: list[Projected]) -> None:
    for gigabits in GIGABITS:
        for feed in ("resident", "scattered"):
            report.say(f"PROJECTED speed-up, {gigabits} Gb/s, feed {feed}, by nodes")
            lines: dict[str, list[str]] = {}
            for row in rows:
                if (row.gigabits, row.feed) == (gigabits, feed):
                    name = f"{row.network.name}, {row.allreduce}"
                    lines.setdefault(name, []).append(speedup_text(row.speedup))
            head = ["network, allreduce", *(f"{p:,}" for p in NODES)]
            report.table(head, [[name, *values] for name, values in lines.items()])
    report.rows("projected", PROJECTED_HEAD, [row.cells() for row in rows])


def chart_projection(folder: Path, rows: list[Projected], batch: int) -> None:
    dashes = {"ring": "", "tree": "7 4"}
    panels = []
    for gigabits in GIGABITS:
        lines: dict[tuple[str, str], list[tuple[float, float]]] = {}
        for row in rows:
            if (row.gigabits, row.feed) == (gigabits, "resident"):
                key = row.network.name, row.allreduce
                lines.setdefault(key, []).append((row.nodes, row.speedup))
        series = [Series(name, dashes[form], points) for (name, form), points in lines.items()]
        panels.append(Panel(f"{gigabits} Gb/s", series))
    title = f"Projected speed-up of a step of {batch:,} images (strong scaling); nothing measured"
    ticks = [10.0**k for k in range(5)]
    chart = Chart(title, "nodes", ticks, [10.0**k for k in range(-4, 5)], panels, dashes)
    write_chart(chart, folder / "scaling_projected.svg")


def chart_measured(folder: Path, times: dict[Case, Timed], ranks: list[int], cores: int) -> None:
    dashes = {"--allreduce auto": "", "--allreduce mpi": "7 4"}
    lines: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for case, timed in times.items():
        if case.ranks == 1 or case.feed != "resident":
            continue
        key = f"{case.network.name}, batch {case.batch}", f"--allreduce {case.allreduce}"
        speedup = times[one_rank(case)].median / timed.median
        lines.setdefault(key, [(1, 1)]).append((case.ranks, speedup))
    series = [Series(name, dashes[mode], points) for (name, mode), points in lines.items()]
    panel = Panel(f"{cores} cores: ranks beyond them share", series)
    title = "Measured speed-up over one rank"
    ticks = [float(p) for p in ranks]
    chart = Chart(title, "ranks", ticks, [0.125, 0.25, 0.5, 1, 2, 4, 8], [panel], dashes)
    write_chart(chart, folder / "scaling_measured.svg")


# ---------------------------------------------------------------- the program


class Parser(argparse.ArgumentParser):
    """A wrong option is one line, as everywhere."""

    def error(self, message: str) -> NoReturn:
        raise Stop(2, f"{message}; see bench/scaling.py --help")


def options() -> argparse.Namespace:
    parser = Parser(description="Measures, fits and projects scaling.")
    parser.add_argument("--main", type=Path, default=ROOT / "main", help="the program, in float")
    parser.add_argument("--measure", type=Path, default=ROOT / "build/float/bench/scaling_measure")
    parser.add_argument("--rounds", type=int, default=3, help="medians are over so many (3)")
    parser.add_argument("--batch", type=int, default=10_000, help="of the projection (10000)")
    parser.add_argument("--alpha", type=float, default=2.0, help="us of a message, assumed (2)")
    parser.add_argument("--machine", default=machine.machine_name(), help="folder of the results")
    parser.add_argument("--quick", action="store_true", help="one round, few ranks: a trial run")
    chosen = parser.parse_args()
    if chosen.rounds < 1 or chosen.batch < 1 or not chosen.alpha >= 0:
        raise Stop(2, "--rounds and --batch have to be at least 1, --alpha at least 0")
    for program in (chosen.main, chosen.measure):
        if not program.is_file():
            raise Stop(2, f"{program} is not there: run `make scaling`, which builds it")
    chosen.main, chosen.measure = chosen.main.resolve(), chosen.measure.resolve()
    return chosen


def run(chosen: argparse.Namespace) -> None:
    cores = machine.cores()
    ranks = [1, 2, 4] if chosen.quick else RANKS
    rounds = 1 if chosen.quick else chosen.rounds
    report = Report(ROOT / "bench/results" / chosen.machine)
    report.say("# " + "; ".join(f"{key} {value}" for key, value in machine.describe().items()))
    report.say()
    seen = measure_collectives(chosen.measure, ranks)
    times = measure_steps(chosen.main, all_cases(MEASURED, ranks), rounds)
    say_steps(report, times)
    say_collectives(report, seen)
    fitted = fit_all(times, seen, cores)
    say_fit(report, fitted, cores)
    say_link_residuals(report, fitted, seen)
    say_residuals(report, fitted, times, cores)

    on_cores = max(p for p in ranks if p <= cores)
    node = this_machine_as_node(fitted, times, on_cores)
    rows = project_all(node, chosen.batch, chosen.alpha * 1e-6)
    say_assumptions(report, node, chosen.batch, chosen.alpha * 1e-6)
    say_projection(report, rows)
    chart_measured(report.folder, times, ranks, cores)
    chart_projection(report.folder, rows, chosen.batch)
    print(f"written to {report.folder.relative_to(ROOT)}/scaling*")
    report.close()


def main() -> int:
    try:
        run(options())
    except Stop as stop:
        print(f"scaling.py: {stop}", file=sys.stderr)
        return stop.code
    except (OSError, ValueError) as error:
        print(f"scaling.py: {error}", file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
