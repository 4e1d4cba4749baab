"""techniques_rows.py: a technique, a network of nodes, and what was measured of the one on the other.

What techniques.py measures and writes down.
"""
from __future__ import annotations

from dataclasses import dataclass

BATCH = 500  # samples of a step, all ranks together
STEPS = 120  # of an epoch of 60,000 images
GOAL = 97.5  # per cent of the test images


@dataclass(frozen=True)
class Technique:
    name: str  # short, for the picture
    flags: str
    slices: int = 1  # steps of BATCH samples in an update


@dataclass(frozen=True)
class Setup:
    nodes: int
    ranks_a_node: int
    mbit: int

    @property
    def nodes_text(self) -> str:
        return f"{self.nodes} nodes of {self.ranks_a_node} rank{'s' * (self.ranks_a_node > 1)}"

    @property
    def link_text(self) -> str:
        return f"{self.mbit // 1000} Gbit/s" if self.mbit >= 1000 else f"{self.mbit} Mbit/s"

    @property
    def name(self) -> str:
        return f"{self.nodes_text}, {self.link_text}"


@dataclass(frozen=True)
class Row:
    technique: str
    flags: str
    nodes: int
    ranks_a_node: int
    mbit: int
    step_ms: float  # of BATCH samples, median over the epochs but the first
    waiting: float  # share of the ranks' time in sums and waits; nan: not known
    handed_bytes: float  # that a rank hands to MPI, a step
    wire_bytes: float  # that a node sends, a step: all packets with their headers
    epochs: int  # to GOAL; 0: not reached, or not tried over this link
    seconds: float  # of these epochs' training; nan where epochs is 0
