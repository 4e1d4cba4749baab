"""gpu_results.py: what bench/gpu_bench and bench/gpu_torch.py measured, to be asked by name.

A contender can have several rows: gpu_bench prints one for each half of its repetitions, and a
program may have run twice. How far their medians lie apart tells how far one of them can be
trusted. Standard library alone.
"""
from __future__ import annotations

NOT_MEASURED = float("nan")
SHAPES = [(200, 24), (100, 800), (512, 256), (1024, 1024), (4096, 8192)]
EXACT = {"float": "fp32", "double": "fp64"}

Row = dict[str, str]


def one_row_each(rows: list[Row]) -> list[Row]:
    """A contender's rows as one, with the mean of their medians and, as spread_us, how far these
    lie apart: its two halves, or several runs of a program."""
    by_name: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        key = tuple(row[k] for k in ("type", "hidden", "batch", "what", "contender"))
        by_name.setdefault(key, []).append(row)
    merged = []
    for same in by_name.values():
        medians = [float(row["median_us"]) for row in same]
        mean = sum(medians) / len(medians)
        merged.append(same[0] | {
            "median_us": str(mean), "spread_us": str(max(medians) - min(medians)),
            "tflops": str(float(same[0]["tflops"]) * medians[0] / mean),
            "error": max((row["error"] for row in same), key=float)})
    return merged


class Results:
    """What the programs printed, to be asked by type, shape, what and contender."""

    def __init__(self, rows: list[Row], facts: dict[str, str]) -> None:
        self.printed, self.rows, self.facts = rows, one_row_each(rows), facts
        self.shapes = sorted({(int(r["hidden"]), int(r["batch"])) for r in rows},
                             key=lambda s: (SHAPES.index(s) if s in SHAPES else -1, s))

    @property
    def trial(self) -> bool:
        return self.facts.get("trial") == "yes"

    def find(self, real: str, shape: tuple[int, int], what: str, name: str = "",
             **wanted: str) -> list[Row]:
        return [r for r in self.rows
                if (r["type"], int(r["hidden"]), int(r["batch"]), r["what"]) == (real, *shape, what)
                and (not name or r["contender"] == name)
                and all(r[key] == value for key, value in wanted.items())]

    def us(self, *key: object, **wanted: str) -> float:
        found = self.find(*key, **wanted)
        return float(found[0]["median_us"]) if found else NOT_MEASURED

    def chosen(self, real: str, shape: tuple[int, int], what: str, gemm: str) -> Row | None:
        """Of ours, what the program takes for this kind of product."""
        found = [r for r in self.find(real, shape, what, chosen="1")
                 if r["contender"].split()[0] == gemm]
        return found[0] if found else None

    def ours(self, real: str, shape: tuple[int, int]) -> str:
        """The kind of product that ./main takes by itself here."""
        found = self.find(real, shape, "step", chosen="1")
        return found[0]["contender"] if found else EXACT[real]


def compared(ours: Row, rival: Row) -> str:
    """How many times as long the rival takes, unless that is no more than two medians of the same
    contender differ by."""
    mine, theirs = float(ours["median_us"]), float(rival["median_us"])
    if abs(mine - theirs) <= max(float(ours["spread_us"]), float(rival["spread_us"])):
        return "tie"
    return f"{theirs / mine:.2f}"


def least(values: list[float]) -> float:
    """The smallest; not measured where one of them is not."""
    return NOT_MEASURED if any(v != v for v in values) else min(values)


def fastest(results: Results, real: str, shape: tuple[int, int], what: str,
            names: list[str]) -> float:
    """Of those that were measured."""
    return min((us for name in names if (us := results.us(real, shape, what, name)) == us),
               default=NOT_MEASURED)
