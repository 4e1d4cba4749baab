"""scaling_chart.py: speed-up over nodes as an SVG, panels side by side, log-log.

Written by hand rather than by a plotting library, so that `make scaling` needs nothing but Python.
Colours are readable on white and on black; the file follows the reader's light or dark setting.
"""
from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape
from pathlib import Path

COLOURS = ("#2f7fd8", "#d97706", "#2a9d5c", "#c2459b", "#8a8f2a", "#d64545")
PANEL_WIDTH, PANEL_HEIGHT, LEFT, TOP, GAP, LEGEND = 380, 300, 64, 64, 84, 220

STYLE = """<style>
.back { fill: #ffffff } text { fill: #24292f; font: 13px sans-serif }
.grid { stroke: #d0d7de } .ideal { stroke: #57606a }
@media (prefers-color-scheme: dark) {
.back { fill: #0d1117 } text { fill: #e6edf3 }
.grid { stroke: #30363d } .ideal { stroke: #8b949e }
}
</style>"""


@dataclass(frozen=True)
class Series:
    name: str  # what gives it its colour
    dash: str  # of stroke-dasharray; "" is a solid line
    points: list[tuple[float, float]]


@dataclass(frozen=True)
class Panel:
    title: str
    series: list[Series]


@dataclass(frozen=True)
class Chart:
    title: str
    x_label: str
    x_ticks: list[float]
    y_ticks: list[float]
    panels: list[Panel]
    dashes: dict[str, str]  # what a dash means -> the dash


def label(value: float) -> str:
    return f"{value:,.0f}" if value >= 1 else f"{value:g}"


class Axes:
    """Places values of one panel."""

    def __init__(self, chart: Chart, index: int) -> None:
        self.left = LEFT + index * (PANEL_WIDTH + GAP)
        self.x_range = chart.x_ticks[0], chart.x_ticks[-1]
        self.y_range = chart.y_ticks[0], chart.y_ticks[-1]

    @staticmethod
    def part(value: float, ends: tuple[float, float]) -> float:
        value = min(max(value, ends[0]), ends[1])
        return math.log(value / ends[0]) / math.log(ends[1] / ends[0])

    def x(self, value: float) -> float:
        return self.left + PANEL_WIDTH * self.part(value, self.x_range)

    def y(self, value: float) -> float:
        return TOP + PANEL_HEIGHT * (1 - self.part(value, self.y_range))

    def line(self, points: list[tuple[float, float]], attributes: str) -> str:
        places = " ".join(f"{self.x(x):.1f},{self.y(y):.1f}" for x, y in points)
        return f'<polyline points="{places}" fill="none" {attributes}/>'


def grid(chart: Chart, axes: Axes) -> list[str]:
    parts = []
    for tick in chart.x_ticks:
        ends = [(tick, axes.y_range[0]), (tick, axes.y_range[1])]
        parts.append(axes.line(ends, 'class="grid"'))
        parts.append(
            f'<text x="{axes.x(tick):.1f}" y="{TOP + PANEL_HEIGHT + 18}" '
            f'text-anchor="middle">{label(tick)}</text>'
        )
    for tick in chart.y_ticks:
        ends = [(axes.x_range[0], tick), (axes.x_range[1], tick)]
        parts.append(axes.line(ends, 'class="grid"'))
        parts.append(
            f'<text x="{axes.left - 6}" y="{axes.y(tick) + 4:.1f}" '
            f'text-anchor="end">{label(tick)}</text>'
        )
    return parts


def panel_parts(chart: Chart, index: int, colours: dict[str, str]) -> list[str]:
    axes, panel = Axes(chart, index), chart.panels[index]
    most = min(axes.x_range[1], axes.y_range[1])
    parts = grid(chart, axes)
    parts.append(axes.line([(1, 1), (most, most)], 'class="ideal" stroke-dasharray="2 3"'))
    for series in panel.series:
        dash = f' stroke-dasharray="{series.dash}"' if series.dash else ""
        stroke = f'stroke="{colours[series.name]}" stroke-width="2"{dash}'
        parts.append(axes.line(series.points, stroke))
    middle = axes.left + PANEL_WIDTH / 2
    for height, text in ((TOP - 12, panel.title), (TOP + PANEL_HEIGHT + 38, chart.x_label)):
        parts.append(f'<text x="{middle}" y="{height}" text-anchor="middle">{escape(text)}</text>')
    return parts


def legend(chart: Chart, colours: dict[str, str], left: float) -> list[str]:
    lines = [(name, f'stroke="{colour}" stroke-width="2"') for name, colour in colours.items()]
    for name, dash in chart.dashes.items():
        dash = f' stroke-dasharray="{dash}"' if dash else ""
        lines.append((name, f'class="ideal" stroke-width="2"{dash}'))
    lines.append(("ideal", 'class="ideal" stroke-dasharray="2 3"'))
    parts = []
    for row, (name, stroke) in enumerate(lines):
        y = TOP + 10 + 22 * row
        parts.append(f'<line x1="{left}" x2="{left + 30}" y1="{y}" y2="{y}" {stroke}/>')
        parts.append(f'<text x="{left + 38}" y="{y + 4}">{escape(name)}</text>')
    return parts


def write_chart(chart: Chart, path: Path) -> None:
    names = list(dict.fromkeys(s.name for panel in chart.panels for s in panel.series))
    colours = {name: COLOURS[i % len(COLOURS)] for i, name in enumerate(names)}
    legend_left = LEFT + len(chart.panels) * (PANEL_WIDTH + GAP) - GAP + 24
    width, height = legend_left + LEGEND, TOP + PANEL_HEIGHT + 56
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}">',
        STYLE,
        f'<rect class="back" width="{width}" height="{height}"/>',
        f'<text x="{LEFT}" y="26" font-weight="bold">{escape(chart.title)}</text>',
    ]
    for index in range(len(chart.panels)):
        parts += panel_parts(chart, index, colours)
    parts += legend(chart, colours, legend_left)
    path.write_text("\n".join(parts + ["</svg>"]) + "\n", encoding="utf-8")
