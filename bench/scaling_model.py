"""scaling_model.py: what a training step costs on p ranks, as a formula; its fit; its projection.

    step(p) = compute(ceil(B/p)) + allreduce(p, n) + scatter(p)

SCALING.md derives it and lists what it assumes. Times are seconds, sizes bytes. Nothing here
measures: scaling.py hands measurements in and prints what comes out. Standard library alone.
"""
from __future__ import annotations

import math
import statistics
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Network:
    """Layer sizes, input first."""

    sizes: tuple[int, ...]

    @property
    def name(self) -> str:
        return "-".join(map(str, self.sizes))

    @property
    def parameters(self) -> int:
        return sum((below + 1) * size for below, size in zip(self.sizes, self.sizes[1:]))

    @property
    def flop(self) -> int:
        """Of an image's products: forward, gradient, and delta for all layers but the first."""
        weights = [below * size for below, size in zip(self.sizes, self.sizes[1:])]
        return 2 * (3 * sum(weights) - weights[0])

    @property
    def gradient_bytes(self) -> int:
        return 4 * self.parameters


# ---------------------------------------------------------------- least squares


def solve(matrix: list[list[float]], right: list[float]) -> list[float]:
    """x of matrix x = right, by elimination with row exchange."""
    rows = [row[:] + [value] for row, value in zip(matrix, right)]
    size = len(rows)
    for k in range(size):
        pivot = max(range(k, size), key=lambda r: abs(rows[r][k]))
        if rows[pivot][k] == 0:
            raise ValueError("the measurements do not determine the fit: measure more sizes")
        rows[k], rows[pivot] = rows[pivot], rows[k]
        for r in range(size):
            if r != k:
                factor = rows[r][k] / rows[k][k]
                rows[r] = [x - factor * y for x, y in zip(rows[r], rows[k])]
    return [rows[k][size] / rows[k][k] for k in range(size)]


def fit_relative(terms: list[list[float]], seen: list[float]) -> list[float]:
    """Coefficients >= 0 with the least sum of squares of (terms . x - seen) / seen.

    A cost below zero means nothing, so the most negative coefficient is fixed at 0 and the rest is
    fitted again, until none is negative.
    """
    scaled = [[term / value for term in row] for row, value in zip(terms, seen)]
    used = [k for k in range(len(terms[0])) if any(row[k] for row in scaled)]
    while used:
        # Columns of very different size (seconds a call, seconds a byte) are brought to length 1.
        length = {k: math.sqrt(sum(row[k] ** 2 for row in scaled)) for k in used}
        matrix = [
            [sum(row[i] * row[j] for row in scaled) / length[i] / length[j] for j in used]
            for i in used
        ]
        right = [sum(row[i] for row in scaled) / length[i] for i in used]
        found = {k: x / length[k] for k, x in zip(used, solve(matrix, right))}
        worst = min(used, key=lambda k: found[k] * length[k])
        if found[worst] >= 0:
            return [found.get(k, 0.0) for k in range(len(terms[0]))]
        used.remove(worst)
    return [0.0] * len(terms[0])


def relative_errors(terms: list[list[float]], x: list[float], seen: list[float]) -> list[float]:
    """(model - measured) / measured of each measurement."""
    return [sum(t * c for t, c in zip(row, x)) / value - 1 for row, value in zip(terms, seen)]


def rms(errors: list[float]) -> float:
    return math.sqrt(statistics.fmean(e * e for e in errors))


# ---------------------------------------------------------------- the terms


def shared(ranks: int, cores: int) -> float:
    """How many ranks share a core: on fewer cores than ranks everything takes as much longer."""
    return max(1.0, ranks / cores)


def ring(ranks: int, size: float) -> list[float]:
    """Messages and bytes, one after another, of a ring allreduce of `size` bytes."""
    return [2 * (ranks - 1), 2 * (ranks - 1) / ranks * size]


def tree(ranks: int, size: float) -> list[float]:
    """The same of a reduction to one rank and a broadcast from it, both along a tree."""
    depth = math.ceil(math.log2(ranks))
    return [2 * depth, 2 * depth * size]


def linear_scatter(ranks: int, size: float) -> list[float]:
    """The same of rank 0 sending every other rank its part of `size` bytes."""
    return [ranks - 1, (ranks - 1) / ranks * size]


Terms = Callable[[int, float], list[float]]
COLLECTIVES: dict[str, Terms] = {"ring": ring, "tree": tree}


@dataclass(frozen=True)
class Link:
    """alpha: seconds of a message however short; beta: seconds of a byte."""

    alpha: float
    beta: float

    def seconds(self, terms: list[float]) -> float:
        return self.alpha * terms[0] + self.beta * terms[1]


@dataclass(frozen=True)
class Fit:
    """A link fitted to measured collectives, and by how much it misses them."""

    link: Link
    errors: list[float]


def fit_link(collective: Terms, seen: dict[tuple[int, int], float], cores: int) -> Fit:
    """seen: (ranks, bytes) -> seconds. Ranks that share a core take turns: factor shared()."""
    terms = [[shared(p, cores) * t for t in collective(p, size)] for p, size in seen]
    found = fit_relative(terms, list(seen.values()))
    return Fit(Link(*found), relative_errors(terms, found, list(seen.values())))


@dataclass(frozen=True)
class ComputeFit:
    """compute(m) = a + c n + b m for m images of a network of n parameters, on one core."""

    a: float
    c: float
    b: dict[Network, float]
    errors: list[float]

    def seconds(self, network: Network, images: int) -> float:
        return self.a + self.c * network.parameters + self.b[network] * images

    def rate(self, network: Network) -> float:
        """FLOP/s of what grows with the images."""
        return network.flop / self.b[network]


def fit_compute(seen: dict[tuple[Network, int], float]) -> ComputeFit:
    """seen: (network, images of a step) -> seconds of a step on one rank that has a core alone."""
    networks = list(dict.fromkeys(network for network, _ in seen))
    terms = [
        [1.0, network.parameters] + [images if network == other else 0.0 for other in networks]
        for network, images in seen
    ]
    a, c, *b = fit_relative(terms, list(seen.values()))
    if 0 in b:
        raise ValueError("a step's time does not grow with its images: measure longer")
    errors = relative_errors(terms, [a, c, *b], list(seen.values()))
    return ComputeFit(a, c, dict(zip(networks, b)), errors)


# ---------------------------------------------------------------- projection


@dataclass(frozen=True)
class Node:
    """Cores of this machine: the FLOP/s of them together, and the constants of a step."""

    cores: int
    rate: float
    a: float
    c: float

    def seconds(self, network: Network, images: int) -> float:
        return self.a + self.c * network.parameters + network.flop * images / self.rate


@dataclass(frozen=True)
class Step:
    """A projected step."""

    images: int
    compute: float
    allreduce: float
    scatter: float

    @property
    def seconds(self) -> float:
        return self.compute + self.allreduce + self.scatter


def project(
    node: Node,
    link: Link,
    collective: Terms,
    network: Network,
    batch: int,
    nodes: int,
    every_step: bool,
) -> Step:
    """Strong scaling: `batch` images in all, on one node or many. Pixels are sent as bytes."""
    images = math.ceil(batch / nodes)
    allreduce = link.seconds(collective(nodes, network.gradient_bytes))
    pixels = linear_scatter(nodes, batch * network.sizes[0])
    scatter = link.seconds(pixels) if every_step else 0.0
    return Step(images, node.seconds(network, images), allreduce, scatter)
