"""report.py: what bench.py measured, as medians, ratios, goals, tables and files.

Ratios are of medians over the rounds of one run. A peer's family (PyTorch, NumPy) counts by its
best setting at each shape, ours by the best of ours.
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
    name: str
    value: float
    bound: float
    at_least: bool = True

    def verdict(self) -> str:
        if self.value != self.value:
            return "not measured"
        return "met" if (self.value >= self.bound) == self.at_least else "missed"


@dataclass
class Results:
    shapes: list[Shape]
    cores: int
    contenders: dict[str, list[Contender]] = field(default_factory=dict)
    rows: list[tuple[str, Shape, Contender, int, float]] = field(default_factory=list)
    limits: dict[str, tuple[list[float], str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    failed: set[tuple[str, str]] = field(default_factory=set)

    def add(self, real: str, shape: Shape, contender: Contender, number: int, rate: float) -> None:
        self.rows.append((real, shape, contender, number, rate))

    def add_limit(self, name: str, value: float, unit: str) -> None:
        self.limits.setdefault(name, ([], unit))[0].append(value)

    def note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)

    def fail(self, real: str, contender: Contender, text: str) -> None:
        """It is not run again; what it measured before stays."""
        print(f"# failed: {text}", flush=True)
        self.note(f"failed: {text}")
        self.failed.add((real, contender.name))

    def has_failed(self, real: str, contender: Contender) -> bool:
        return (real, contender.name) in self.failed

    def values(self, real: str, shape: Shape, contender: Contender) -> list[float]:
        return [rate for r, s, c, _, rate in self.rows
                if (r, s, c.name) == (real, shape, contender.name)]

    def median(self, real: str, shape: Shape, contender: Contender) -> float:
        return statistics.median(self.values(real, shape, contender) or [0.0])

    def limit(self, name: str) -> float:
        return statistics.median(self.limits[name][0]) if name in self.limits else NOT_MEASURED

    def best(self, real: str, shape: Shape, wanted: Callable[[Contender], bool]) -> float:
        """The best median of the contenders that are wanted; not a number where there is none."""
        return max((self.median(real, shape, c) for c in self.contenders.get(real, ())
                    if wanted(c) and self.values(real, shape, c)), default=NOT_MEASURED)

    def ours(self, real: str, shape: Shape) -> float:
        return self.best(real, shape, lambda c: c.family == "ours" and c.ranks > 0)

    def setting(self, real: str, shape: Shape, ranks: int, threads: int, gemm: str = "") -> float:
        return self.best(real, shape, lambda c: c.family == "ours" and
                         (c.ranks, c.threads, c.gemm) == (ranks, threads, gemm))


def has_bf16_units() -> bool:
    flags = machine.cpu_fields().get("flags", "").split()
    return "avx512_bf16" in flags or "amx_bf16" in flags


# ---------------------------------------------------------------------------- goals


def goals(results: Results) -> list[Goal]:
    return [*peer_goals(results), *limit_goals(results), *scaling_goals(results)]


def peer_goals(results: Results) -> Iterable[Goal]:
    over_torch = {((100,), 800): 3.5, ((512,), 256): 2.5, ((100,), 32): 3.0, ((1024,), 1024): 2.0}
    for family, bounds, real in (("PyTorch", over_torch, "float"),
                                 ("NumPy", dict.fromkeys(over_torch, 2.4), "float"),
                                 ("NumPy", dict.fromkeys(over_torch, 1.5), "double")):
        for shape in results.shapes:
            bound = bounds.get((shape.hidden, shape.batch))
            if bound is not None:
                peer = results.best(real, shape, lambda c, f=family: c.family == f)
                yield Goal(f"{real}: best of ours / best {family} at {shape}",
                           results.ours(real, shape) / peer, bound)


def limit_goals(results: Results) -> Iterable[Goal]:
    """Our arithmetic beside the machine's float32 peak, and beside oneDNN's own rate."""
    with_units = {((100,), 800): 1.5, ((512,), 256): 1.3, ((1024,), 1024): 1.3}
    for shape in results.shapes:
        bound = with_units.get((shape.hidden, shape.batch))
        if bound is None:
            continue
        bound = bound if has_bf16_units() else 0.8
        one = results.setting("float", shape, 1, 1)
        many = results.best("float", shape, lambda c: c.family == "ours" and not c.gemm and
                            c.ranks * c.threads == results.cores)
        for label, rate, peak in (("1 core", one, "fma_gflops_1"),
                                  (f"{results.cores} cores", many, "fma_gflops_all")):
            gflops = rate * shape.flop_per_image() / 1e9
            yield Goal(f"float: effective GFLOP/s / FMA peak, {label}, at {shape}",
                       gflops / results.limit(peak), bound)
    for shape in results.shapes:
        if len(shape.hidden) == 1:
            step = results.limit(f"onednn_step_{shape.hidden[0]}_{shape.batch}_us")
            rate = results.setting("float", shape, 1, 1, "fp32")
            yield Goal(f"float: --gemm fp32, 1 thread / oneDNN's products alone at {shape}",
                       rate * step / 1e6 / shape.batch, 0.9)


def scaling_goals(results: Results) -> Iterable[Goal]:
    ranks = {((1024,), 1024): 1.8, ((512,), 256): 1.8, ((100,), 800): 1.6}
    for shape in results.shapes:
        bound = ranks.get((shape.hidden, shape.batch))
        if bound is not None and results.cores == 2:
            yield Goal(f"float: 2 ranks x 1 thread / 1 rank x 1 thread at {shape}",
                       results.setting("float", shape, 2, 1) /
                       results.setting("float", shape, 1, 1), bound)
    for shape in results.shapes:
        yield Goal(f"float: time with MPI on one rank / without MPI at {shape}",
                   results.setting("float", shape, 0, 1) / results.setting("float", shape, 1, 1),
                   1.02, at_least=False)


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


def goal_table(results: Results) -> list[list[str]]:
    rows = [["goal", "measured", "wanted", ""]]
    for goal in goals(results):
        sign = ">=" if goal.at_least else "<="
        value = "-" if goal.value != goal.value else f"{goal.value:.2f}"
        rows.append([goal.name, value, f"{sign} {goal.bound:.2f}", goal.verdict()])
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
             "NumPy": ("numpy_mlp.py",), "scikit-learn": ("sklearn_mlp.py",)}
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
        parts.append(as_markdown(spread_table(results, real)))
    parts.append("## Goals\n\nRatios of medians, each side at its best setting.\n")
    parts.append(as_markdown(goal_table(results)))
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
    print("\n" + as_text(goal_table(results)))
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
