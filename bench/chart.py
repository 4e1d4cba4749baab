"""chart.py: charts of ratios as SVG text, on a logarithmic scale, with a line at 1: bars or lines.

Colours and text follow the reader's light or dark setting, where the viewer passes it on.
"""
from __future__ import annotations

import math
from html import escape
from typing import Callable

WIDTH, HEIGHT = 960, 420
LEFT, RIGHT, TOP, BOTTOM = 56, 16, 84, 48
LIGHT = ["#2a78d6", "#eb6834", "#1baf7a", "#eda100", "#e87ba4", "#4a3aa7", "#8a8983"]
DARK = ["#3987e5", "#d95926", "#199e70", "#c98500", "#d55181", "#9085e9", "#a3a29b"]


def style() -> str:
    light, dark = ("".join(f".s{i}{{fill:{colour}}}.l{i}{{stroke:{colour}}}"
                           for i, colour in enumerate(colours)) for colours in (LIGHT, DARK))
    return ("<style>text{font-family:system-ui,sans-serif;font-size:12px;fill:#52514e}"
            ".title{font-size:16px;font-weight:600;fill:#0b0b0b}.value{font-size:10px}"
            "polyline{fill:none;stroke-width:2}"
            ".back{fill:#fcfcfb}.grid{stroke:#e1e0d9}.one{stroke:#52514e;stroke-width:1.5}"
            + light +
            "@media(prefers-color-scheme:dark){text{fill:#c3c2b7}.title{fill:#ffffff}"
            ".back{fill:#1a1a19}.grid{stroke:#2c2c2a}.one{stroke:#c3c2b7}" + dark + "}</style>")


def scale(ratios: list[float]) -> tuple[list[float], float, float]:
    """Ticks at 1, 2 and 5 of each power of ten, with the least and the most of the axis."""
    least, most = min([0.9, *ratios]), max([2.2, *ratios]) * 1.15
    low, high = math.floor(math.log10(least)), math.ceil(math.log10(most))
    ticks = [m * 10.0 ** e for e in range(low, high + 1) for m in (1, 2, 5)]
    least = max([t for t in ticks if t <= least], default=least)
    return [t for t in ticks if least <= t <= most], least, most


FOOTER = "(hidden layers, batch size); above the line at 1x ./main is faster; logarithmic scale"


def height_of(least: float, most: float) -> Callable[[float], float]:
    """Where a ratio stands."""
    return lambda ratio: TOP + (HEIGHT - TOP - BOTTOM) * (1 - math.log(ratio / least) /
                                                          math.log(most / least))


def frame(title: str, names: list[str], ticks: list[float], y: Callable[[float], float]
          ) -> list[str]:
    """What both charts begin with: title, legend and the lines of the ratios."""
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
             f'width="{WIDTH}" height="{HEIGHT}" role="img"><title>{escape(title)}</title>',
             style(), f'<rect class="back" width="{WIDTH}" height="{HEIGHT}"/>',
             f'<text class="title" x="{LEFT}" y="28">{escape(title)}</text>', legend(names)]
    for tick in ticks:
        kind = "one" if tick == 1 else "grid"
        parts.append(f'<line class="{kind}" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(tick):.1f}" '
                     f'y2="{y(tick):.1f}"/><text x="{LEFT - 8}" y="{y(tick) + 4:.1f}" '
                     f'text-anchor="end">{tick:g}x</text>')
    return parts


def bar_chart(title: str, groups: list[str], bars: dict[str, list[float]],
              footer: str = FOOTER) -> str:
    """A group of bars for each shape, a bar for each series; no bar where a ratio is not known."""
    ticks, least, most = scale([r for ratios in bars.values() for r in ratios if r == r])
    y = height_of(least, most)
    parts = frame(title, list(bars), ticks, y)
    slot = (WIDTH - LEFT - RIGHT) / len(groups)
    for g, group in enumerate(groups):
        middle = LEFT + (g + 0.5) * slot
        parts.append(f'<text x="{middle:.1f}" y="{HEIGHT - BOTTOM + 20}" text-anchor="middle">'
                     f'{escape(group)}</text>')
        parts += group_of_bars(middle, slot, [ratios[g] for ratios in bars.values()], y)
    parts.append(f'<text x="{LEFT}" y="{HEIGHT - 8}">{escape(footer)}</text></svg>\n')
    return "\n".join(parts)


def legend(names: list[str]) -> str:
    parts, x = [], float(LEFT)
    for i, name in enumerate(names):
        parts.append(f'<rect class="s{i}" x="{x:.0f}" y="46" width="12" height="12" rx="2"/>'
                     f'<text x="{x + 17:.0f}" y="56">{escape(name)}</text>')
        x += 17 + 7 * len(name) + 20
    return "".join(parts)


def group_of_bars(middle: float, slot: float, ratios: list[float], y) -> list[str]:
    """Bars start at the line at 1, so that a ratio below 1 hangs under it."""
    width = min(24.0, slot * 0.9 / len(ratios))
    parts = []
    for i, ratio in enumerate(ratios):
        if ratio != ratio:
            continue
        x = middle + (i - len(ratios) / 2) * width
        top, bottom = min(y(ratio), y(1)), max(y(ratio), y(1))
        label = top - 4 if ratio >= 1 else bottom + 11
        parts.append(f'<rect class="s{i}" x="{x + 1:.1f}" y="{top:.1f}" width="{width - 2:.1f}" '
                     f'height="{max(bottom - top, 1):.1f}" rx="2"/><text class="value" '
                     f'x="{x + width / 2:.1f}" y="{label:.1f}" text-anchor="middle">'
                     f'{ratio:.3g}</text>')
    return parts


def line_chart(title: str, axis: str, lines: dict[str, list[tuple[float, float]]],
               marked: dict[str, list[float]], footer: str) -> str:
    """A line of (x, ratio) for each series, x from 0 to 100; dashed down where x is marked."""
    ticks, least, most = scale([r for points in lines.values() for _, r in points])
    y = height_of(least, most)
    parts = frame(title, list(lines), ticks, y)

    def x(value: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * value / 105

    parts += [f'<text x="{x(tick):.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{tick}'
              '</text>' for tick in range(0, 101, 10)]
    parts.append(f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - BOTTOM + 32}" text-anchor="end">'
                 f'{escape(axis)}</text>')
    for i, (name, points) in enumerate(lines.items()):
        path = " ".join(f"{x(at):.1f},{y(ratio):.1f}" for at, ratio in points)
        parts.append(f'<polyline class="l{i}" points="{path}"/>')
        parts += [f'<circle class="s{i}" cx="{x(at):.1f}" cy="{y(ratio):.1f}" r="3"/>'
                  for at, ratio in points]
        for at in marked.get(name, []):
            level = HEIGHT - BOTTOM - 8 - 14 * i
            parts.append(f'<line class="l{i}" stroke-dasharray="4 4" x1="{x(at):.1f}" '
                         f'x2="{x(at):.1f}" y1="{y(1):.1f}" y2="{HEIGHT - BOTTOM}"/>'
                         f'<text x="{x(at) + 4:.1f}" y="{level}">{at:.0f} %</text>')
    parts.append(f'<text x="{LEFT}" y="{HEIGHT - 8}">{escape(footer)}</text></svg>\n')
    return "\n".join(parts)
