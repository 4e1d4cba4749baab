"""techniques_page.py: what techniques.py measured, as tables in Markdown and as a picture.

A table has the rows of one network of nodes, over the faster link and over the slower one. The picture has
the speed of each technique, as a multiple of that of `--allreduce mpi` on the same nodes and link.
"""
from __future__ import annotations

from pathlib import Path

from chart import bar_chart
from techniques_rows import BATCH, GOAL, Row, Setup

PLAIN = "mpi"  # what the others are measured against
HEAD = ("| flags | handed | on the wire | ms a step, {fast} | {slow} | waiting | epochs | seconds |\n"
        "|---|---|---|---|---|---|---|---|\n")


def setup_of(row: Row) -> Setup:
    return Setup(row.nodes, row.ranks_a_node, row.mbit)


def number(value: float, text: str) -> str:
    return text if value == value else "not known"


def table_row(fast: Row, slow: Row) -> str:
    reached = fast.epochs > 0
    cells = [f"`{fast.flags}`",
             number(fast.handed_bytes, f"{fast.handed_bytes / 1e3:.0f} KB"),
             f"{fast.wire_bytes / 1e3:.0f} KB", f"{fast.step_ms:.1f}", f"{slow.step_ms:.1f}",
             number(slow.waiting, f"{100 * slow.waiting:.0f} %"),
             f"{fast.epochs}" if reached else "not reached",
             f"{fast.seconds:.1f}" if reached else ""]
    return "| " + " | ".join(cells) + " |\n"


def tables(rows: list[Row]) -> str:
    """One for each network of nodes; a technique that only one of its links has is left out."""
    text = ""
    for nodes, ranks in dict.fromkeys((row.nodes, row.ranks_a_node) for row in rows):
        here = [row for row in rows if (row.nodes, row.ranks_a_node) == (nodes, ranks)]
        by_speed = sorted({row.mbit for row in here}, reverse=True)
        if len(by_speed) != 2:
            continue
        fast, slow = ({row.technique: row for row in here if row.mbit == mbit} for mbit in by_speed)
        links = [Setup(nodes, ranks, mbit) for mbit in by_speed]
        text += (f"{links[0].nodes_text}:\n\n"
                 + HEAD.format(fast=links[0].link_text, slow=links[1].link_text)
                 + "".join(table_row(fast[name], slow[name]) for name in fast if name in slow)
                 + "\n")
    return text


def picture(rows: list[Row]) -> str:
    """Bars for all networks whose nodes have one rank."""
    alone = [row for row in rows if row.ranks_a_node == 1]
    names = list(dict.fromkeys(row.technique for row in alone if row.technique != PLAIN))
    step = {(setup_of(row), row.technique): row.step_ms for row in alone}
    bars = {setup.name: [step[setup, PLAIN] / step.get((setup, name), float("nan"))
                         for name in names]
            for setup in dict.fromkeys(map(setup_of, alone)) if (setup, PLAIN) in step}
    return bar_chart(f"Speed of a step of {BATCH} samples against --allreduce {PLAIN}", names, bars,
                     "784-200-10; above 1x a technique is faster than "
                     f"--allreduce {PLAIN}; logarithmic scale")


def write_page(rows: list[Row], csv: Path) -> None:
    """Beside the file of the rows; the picture only if there is something to compare."""
    csv.with_suffix(".md").write_text(
        f"Epochs and seconds are those to {GOAL} % over the faster link.\n\n" + tables(rows),
        encoding="utf-8")
    alone = {row.technique for row in rows if row.ranks_a_node == 1}
    if PLAIN in alone and len(alone) > 1:
        csv.with_suffix(".svg").write_text(picture(rows), encoding="utf-8")
