"""report.py: what bench.py measured, as medians, ratios, goals, tables and files.

Ratios are of medians over the rounds of one run. A peer's family (PyTorch, NumPy, oneDNN) counts by
its best setting at each shape, ours by the best of ours.
"""
from __future__ import annotations

import csv
import statistics
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable, Iterable

import chart
import machine

NOT_MEASURED = float("nan")


@dataclass(frozen=True)
class Shape:
    """A network 784-hidden-10 and the images of a mini-batch."""

    hidden: tuple[int, ...]
    batch: int

    def __str__(self) -> str:
        return f"({'+'.join(map(str, self.hidden))}, {self.batch})"

    def flop_per_image(self) -> int:
        """Of the products: forward, gradient and, but for the first layer, delta: 2 each a weight.

        784-H-10 has 4 x 784 H + 6 x 10 H = 3196 H.
        """
        sizes = [784, *self.hidden, 10]
        weights = [a * b for a, b in zip(sizes, sizes[1:])]
        return 6 * sum(weights) - 2 * weights[0]

    def bytes_of_step(self, size: int) -> int:
        """What a step must move at least, a parameter having `size` bytes.

        Each parameter is read by the forward product, then read and written by the update; each
        image of the batch is read once, in bytes.
        """
        sizes = [784, *self.hidden, 10]
        parameters = sum((a + 1) * b for a, b in zip(sizes, sizes[1:]))
        return 3 * size * parameters + 784 * self.batch


@dataclass(frozen=True)
class Contender:
    """One setting of ours (ranks, threads, gemm; 0 ranks: without MPI) or of a peer (script)."""

    name: str
    family: str
    threads: int = 1
    ranks: int = 0
    gemm: str = ""
    script: str = ""
    arguments: tuple[str, ...] = ()
    counts: bool = True  # false where its accuracy is not the type's


@dataclass(frozen=True)
class Goal:
    """The best of ours over the best rival at a shape; wanted is not a number where no goal is."""

    name: str
    ours: float
    rival: float
    rival_name: str
    wanted: float

    def ratio(self) -> float:
        return self.ours / self.rival

    def verdict(self) -> str:
        if self.ratio() != self.ratio():
            return "not measured"
        if self.wanted != self.wanted:
            return "no goal"
        return "met" if self.ratio() >= self.wanted else "missed"


@dataclass
class Results:
    shapes: list[Shape]
    cores: int
    contenders: dict[str, list[Contender]] = field(default_factory=dict)
    rows: list[tuple[str, Shape, Contender, int, float]] = field(default_factory=list)
    limits: dict[str, tuple[list[float], str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    failed: set[tuple[str, str]] = field(default_factory=set)
    cold_start: list[list[str]] = field(default_factory=list)  # a table, where it was measured

    def add(self, real: str, shape: Shape, contender: Contender, number: int, rate: float) -> None:
        self.rows.append((real, shape, contender, number, rate))

    def add_limit(self, name: str, value: float, unit: str) -> None:
        self.limits.setdefault(name, ([], unit))[0].append(value)

    def note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)

    def fail(self, real: str, contender: str, text: str) -> None:
        """It is not run again; what it measured before stays."""
        print(f"# failed: {text}", flush=True)
        self.note(f"failed: {text}")
        self.failed.add((real, contender))

    def has_failed(self, real: str, contender: Contender) -> bool:
        return (real, contender.name) in self.failed

    def values(self, real: str, shape: Shape, contender: Contender) -> list[float]:
        return [rate for r, s, c, _, rate in self.rows
                if (r, s, c.name) == (real, shape, contender.name)]

    def median(self, real: str, shape: Shape, contender: Contender) -> float:
        return statistics.median(self.values(real, shape, contender) or [0.0])

    def limit(self, name: str) -> float:
        return statistics.median(self.limits[name][0]) if name in self.limits else NOT_MEASURED

    def leader(self, real: str, shape: Shape, wanted: Callable[[Contender], bool]
               ) -> Contender | None:
        """The contender with the best median of those that are wanted, if one was measured."""
        return max((c for c in self.contenders.get(real, ()) if wanted(c) and
                    self.values(real, shape, c)), default=None,
                   key=lambda c: self.median(real, shape, c))

    def best(self, real: str, shape: Shape, wanted: Callable[[Contender], bool]) -> float:
        leader = self.leader(real, shape, wanted)
        return self.median(real, shape, leader) if leader else NOT_MEASURED

    def ours(self, real: str, shape: Shape) -> float:
        return self.best(real, shape, lambda c: c.family == "ours" and c.ranks > 0)


def has_amx() -> bool:
    return "amx_bf16" in machine.cpu_fields().get("flags", "").split()


def has_bf16_units() -> bool:
    return has_amx() or "avx512_bf16" in machine.cpu_fields().get("flags", "").split()


# ---------------------------------------------------------------------------- goals


# The families that a goal is measured against.
RIVALS = ("PyTorch", "NumPy", "oneDNN")
GOAL_SHAPES = (Shape((100,), 800), Shape((512,), 256), Shape((100,), 32), Shape((1024,), 1024),
               Shape((200,), 24))
# By the kind of machine and the type: for each of those shapes, how many times as fast.
WANTED = {("AVX2", "float"): (5, 3.5, 6, 2, 5),
          ("AVX2", "double"): (4, 3, 4, 1.8, 4),
          ("AVX-512 or AMX", "float"): (3.5, 2.5, 4, 2, 4)}


GOALS_SAY = ("Goals: the best of ours over the best of PyTorch, NumPy and C++ with oneDNN, in "
             "thousand images/s, by medians.")


def kind_of_machine() -> str:
    flags = machine.cpu_fields().get("flags", "").split()
    if "avx512f" in flags:
        return "AVX-512 or AMX"
    return "AVX2" if "avx2" in flags else "neither AVX2 nor AVX-512"


def goals(results: Results) -> Iterable[Goal]:
    for real in results.contenders:
        wanted = dict(zip(GOAL_SHAPES, WANTED.get((kind_of_machine(), real), ())))
        for shape in results.shapes:
            rival = results.leader(real, shape, lambda c: c.family in RIVALS and c.counts)
            yield Goal(f"{real} at {shape}", results.ours(real, shape),
                       results.median(real, shape, rival) if rival else NOT_MEASURED,
                       rival.name if rival else "-", wanted.get(shape, NOT_MEASURED))


# ---------------------------------------------------------------------------- shares


def peak_rate(results: Results, real: str, shape: Shape) -> float:
    """The images/s of a step that is nothing but dense multiply-adds, at all cores' peak."""
    peak = results.limit("fma_gflops_all" if real == "float" else "fma64_gflops_all")
    return peak * 1e9 / shape.flop_per_image()


def bandwidth_rate(results: Results, real: str, shape: Shape) -> float:
    """The images/s of a step that does nothing but bring its bytes from and to memory."""
    bandwidth = max(results.limit("memory_read_all"), results.limit("memory_copy_all"))
    return bandwidth * 1e9 / shape.bytes_of_step(4 if real == "float" else 8) * shape.batch


# ---------------------------------------------------------------------------- tables


def table(results: Results, real: str) -> list[list[str]]:
    """Medians in thousand images/s, and behind each how many times faster the best of ours is."""
    rows = [[f"{real}, thousand images/s", *map(str, results.shapes)]]
    for c in results.contenders[real]:
        cells = []
        for shape in results.shapes:
            rate = results.median(real, shape, c)
            ratio = results.ours(real, shape) / rate if rate else NOT_MEASURED
            cells.append(f"{rate / 1e3:.1f} ({ratio:.2f}x)" if rate else "-")
        rows.append([c.name + ("" if c.counts else " *"), *cells])
    return rows


def spread_table(results: Results, real: str) -> list[list[str]]:
    rows = [[f"{real}, least to most of the rounds", *map(str, results.shapes)]]
    for c in results.contenders[real]:
        cells = []
        for shape in results.shapes:
            seen = results.values(real, shape, c)
            cells.append(f"{min(seen) / 1e3:.1f} to {max(seen) / 1e3:.1f} ({len(seen)})"
                         if seen else "-")
        rows.append([c.name, *cells])
    return rows


def thousands(rate: float) -> str:
    return "-" if rate != rate else f"{rate / 1e3:.1f}"


def goal_table(results: Results) -> list[list[str]]:
    rows = [["goal", "best of ours", "best rival", "which", "ratio", "wanted", ""]]
    for goal in goals(results):
        ratio, wanted = goal.ratio(), goal.wanted
        rows.append([goal.name, thousands(goal.ours), thousands(goal.rival), goal.rival_name,
                     "-" if ratio != ratio else f"{ratio:.2f}",
                     "-" if wanted != wanted else f"{wanted:.1f}", goal.verdict()])
    return rows


def share_table(results: Results, real: str) -> list[list[str]]:
    """Of each of ours: the share of the FMA peak, and that of the bandwidth bound."""
    rows = [[f"{real}, share of FMA peak; of bandwidth bound", *map(str, results.shapes)],
            ["the peak; the bound, thousand images/s",
             *(f"{thousands(peak_rate(results, real, s))}; "
               f"{thousands(bandwidth_rate(results, real, s))}" for s in results.shapes)]]
    for c in results.contenders[real]:
        if c.family != "ours":
            continue
        cells = []
        for shape in results.shapes:
            rate = results.median(real, shape, c)
            cells.append(f"{rate / peak_rate(results, real, shape):.2f}; "
                         f"{rate / bandwidth_rate(results, real, shape):.2f}" if rate else "-")
        rows.append([c.name, *cells])
    return rows


def limit_table(results: Results) -> list[list[str]]:
    return [["limit", "median", "least to most", "unit"]] + [
        [name, f"{statistics.median(seen):.1f}", f"{min(seen):.1f} to {max(seen):.1f}", unit]
        for name, (seen, unit) in results.limits.items()]


def as_text(rows: list[list[str]]) -> str:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["  ".join([row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in
                                                   zip(row[1:], widths[1:]))]).rstrip()
             for row in rows]
    return "\n".join(lines) + "\n"


def as_markdown(rows: list[list[str]]) -> str:
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    lines.insert(1, "|---" * len(rows[0]) + "|")
    return "\n".join(lines) + "\n"


# ---------------------------------------------------------------------------- files


def write_measurements(results: Results, folder: Path) -> None:
    with (folder / "bench.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["type", "hidden", "batch", "contender", "round", "images_per_second"])
        for real, shape, contender, number, rate in results.rows:
            writer.writerow([real, "-".join(map(str, shape.hidden)), shape.batch, contender.name,
                             number, f"{rate:.0f}"])
    if results.limits:
        with (folder / "limits.csv").open("w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["limit", "unit", "round", "value"])
            for name, (seen, unit) in results.limits.items():
                writer.writerows([name, unit, i + 1, value] for i, value in enumerate(seen))


def chart_bars(results: Results, real: str) -> dict[str, list[float]]:
    """The best of ours over the best setting of each kind of peer, by shape."""
    kinds = {"PyTorch by hand": ("torch_plain.py",), "PyTorch compiled": ("torch_compile.py",),
             "PyTorch nn": ("torch_eager.py",), "PyTorch DDP": ("torch_ddp.py",),
             "NumPy": ("numpy_mlp.py",), "scikit-learn": ("sklearn_mlp.py",),
             "C++ with oneDNN": ("onednn_mlp",)}
    bars = {kind: [results.ours(real, shape) / results.best(
                real, shape, lambda c, s=scripts: c.counts and c.script in s)
            for shape in results.shapes] for kind, scripts in kinds.items()}
    return {kind: ratios for kind, ratios in bars.items() if any(r == r for r in ratios)}


def summary(results: Results, facts: dict[str, str], charts: list[str]) -> str:
    parts = ["# Measurements of " + facts["cpu"] + "\n"]
    parts.append(as_markdown([["", ""], *([key, value] for key, value in facts.items())]))
    for real in results.contenders:
        parts.append(f"## {real}\n")
        parts.append(as_markdown(table(results, real)))
        if any(not c.counts for c in results.contenders[real]):
            parts.append("\\* PyTorch may round the factors of its products to bf16, 8 bits: not "
                         "float32's accuracy, so it is not in the ratios below.\n")
        if real in charts:
            parts.append(f"![the best of ours over each peer]({real}.svg)\n")
        if results.limits:
            parts.append(as_markdown(share_table(results, real)))
        parts.append(as_markdown(spread_table(results, real)))
    parts.append(f"## Goals\n\n{GOALS_SAY}\n")
    parts.append(as_markdown(goal_table(results)))
    if results.cold_start:
        parts.append("## From a cold start\n")
        parts.append(as_markdown(results.cold_start))
    if results.limits:
        parts.append("## The machine's limits\n")
        parts.append(as_markdown(limit_table(results)))
    if results.notes:
        parts.append("## Notes\n")
        parts.append("".join(f"- {line}\n" for line in results.notes))
    return "\n".join(parts)


def write_all(results: Results, facts: dict[str, str], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for real in results.contenders:
        print("\n" + as_text(table(results, real)), end="")
    print("\nbehind each: how many times faster the best of ours is"
          + ("; * factors of 8 bits, not float32's accuracy" if any(
              not c.counts for cs in results.contenders.values() for c in cs) else ""))
    if results.limits:
        for real in results.contenders:
            print("\n" + as_text(share_table(results, real)), end="")
    print(f"\n{GOALS_SAY}\n{as_text(goal_table(results))}")
    if results.cold_start:
        print(as_text(results.cold_start))
    write_measurements(results, folder)
    charts = []
    for real in results.contenders:
        bars = chart_bars(results, real)
        if bars:
            title = f"./main over its peers, {real}: images/s, times as fast"
            (folder / f"{real}.svg").write_text(
                chart.bar_chart(title, [str(s) for s in results.shapes], bars), encoding="utf-8")
            charts.append(real)
    (folder / "summary.md").write_text(summary(results, facts, charts), encoding="utf-8")
    print(f"# written to {folder}/: summary.md, bench.csv"
          + (", limits.csv" if results.limits else "") + "".join(f", {c}.svg" for c in charts))
