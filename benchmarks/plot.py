"""A log-log plot as SVG, legible in light and in dark. Pure: series in, text out."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 860, 480
LEFT, RIGHT, TOP, BOTTOM = 66, 596, 58, 424
LABEL_GAP = 15.5
PALETTE = ("2a7fd4", "1a9e77", "c2609f", "d99000", "e0672f", "4fb0e6", "a0703a", "8465d0", "8a9a00")
STYLE = """
  .back { fill: #ffffff } .text { fill: #1f2328 } .soft { fill: #59636e } .grid { stroke: #d8dee4 }
  .floor { stroke: #818b98 } .floor-text { fill: #6b7580 }
  .ours { stroke: #d1242f } .ours-text { fill: #d1242f; font-weight: 600 }
  @media (prefers-color-scheme: dark) {
    .back { fill: #0d1117 } .text { fill: #e6edf3 } .soft { fill: #9198a1 }
    .grid { stroke: #2b313a } .floor-text { fill: #9198a1 }
    .ours { stroke: #ff6b6b } .ours-text { fill: #ff6b6b }
  }
  text { font: 12.5px system-ui, -apple-system, "Segoe UI", sans-serif }
""".strip("\n")


@dataclass(frozen=True, slots=True)
class Line:
    """A line: its label, ``(x, y)`` in order, and how it is drawn.

    ``color`` is an index in the palette, so that a line has the same color in every picture; None
    takes the color of the kind, "ours" or "floor".
    """

    label: str
    points: Sequence[tuple[float, float]]
    kind: str = "peer"
    color: int | None = None
    dotted: bool = False

    @property
    def look(self) -> str:
        """The attribute of SVG that colors it."""
        if self.color is None:
            return f'class="{self.kind}"'
        return f'stroke="#{PALETTE[self.color % len(PALETTE)]}"'


def plot(title: str, subtitle: str, x_title: str, y_title: str, lines: Iterable[Line]) -> str:
    """Return the picture; lines without points are left out."""
    drawn = [line for line in lines if line.points]
    x_axis = _Axis([x for line in drawn for x, _ in line.points], LEFT, RIGHT)
    y_axis = _Axis([y for line in drawn for _, y in line.points], BOTTOM, TOP)
    ends = [(line, y_axis.place(line.points[-1][1])) for line in drawn]
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
        f"<title>{escape(title)}</title>\n<style>\n{STYLE}\n</style>",
        f'<rect class="back" width="{WIDTH}" height="{HEIGHT}" rx="6"/>',
        _text(LEFT - 46, 24, title, "text", 'style="font-size:15px;font-weight:600"'),
        _text(LEFT - 46, 43, subtitle, "soft"),
        *_grid(x_axis, y_axis),
        _text((LEFT + RIGHT) / 2, BOTTOM + 42, x_title, "soft", 'text-anchor="middle"'),
        _text(18, (TOP + BOTTOM) / 2, y_title, "soft", 'text-anchor="middle"'),
        *(_line(line, x_axis, y_axis) for line in drawn),
        *_labels(ends),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


class _Axis:
    """Maps values over some decades to positions in a picture."""

    def __init__(self, values: Sequence[float], begin: float, end: float) -> None:
        logs = [math.log10(value) for value in values] or [0.0]
        # Room up to the next third of a decade, so that no line is on the frame.
        self.low, self.high = math.floor(min(logs) * 3) / 3, math.ceil(max(logs) * 3) / 3
        if self.high == self.low:
            self.high += 1
        self.begin, self.end = begin, end

    def place(self, value: float) -> float:
        share = (math.log10(value) - self.low) / (self.high - self.low)
        return self.begin + share * (self.end - self.begin)

    def ticks(self) -> list[float]:
        decades = range(math.floor(self.low), math.ceil(self.high) + 1)
        return [10.0**at for at in decades if self.low - 1e-9 <= at <= self.high + 1e-9]


def _grid(x_axis: _Axis, y_axis: _Axis) -> Iterable[str]:
    for value in x_axis.ticks():
        x = x_axis.place(value)
        yield _stroke(x, TOP, x, BOTTOM)
        yield _text(x, BOTTOM + 19, number(value), "soft", 'text-anchor="middle"')
    for value in y_axis.ticks():
        y = y_axis.place(value)
        yield _stroke(LEFT, y, RIGHT, y)
        yield _text(LEFT - 8, y + 4, number(value), "soft", 'text-anchor="end"')


def _line(line: Line, x_axis: _Axis, y_axis: _Axis) -> str:
    places = [(x_axis.place(x), y_axis.place(y)) for x, y in line.points]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    width = 3 if line.kind == "ours" else 1.8
    dashes = ' stroke-dasharray="1.5 4.5" stroke-linecap="round"' if line.dotted else ""
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{width}"/>' for x, y in places)
    return (
        f'<g {line.look} stroke-width="{width}"><polyline fill="none"{dashes} points="{path}"/>'
        f'<g fill="none" stroke-width="1.4">{dots}</g></g>'
    )


def _labels(ends: list[tuple[Line, float]]) -> Iterable[str]:
    """Yield each label at its line's end; move apart labels that would overlap."""
    ordered = sorted(ends, key=lambda end: end[1])
    for (line, end), y in zip(ordered, spread([end for _, end in ordered]), strict=True):
        yield f'<path {line.look} fill="none" d="M{RIGHT + 4} {end:.1f} L{RIGHT + 16} {y:.1f}"/>'
        kind = "text" if line.kind == "peer" else f"{line.kind}-text"
        yield _text(RIGHT + 20, y + 4, line.label, kind)


def spread(places: Sequence[float]) -> list[float]:
    """Return ordered positions, ``LABEL_GAP`` apart; as a group they stay where they are."""
    moved: list[float] = []
    for place in places:
        moved.append(max(place, moved[-1] + LABEL_GAP) if moved else place)
    over = max(0.0, moved[-1] - HEIGHT + 12) if moved else 0.0
    for at in range(len(moved) - 1, -1, -1):
        most = moved[at + 1] - LABEL_GAP if at + 1 < len(moved) else moved[at] - over
        moved[at] = min(moved[at], most)
    return moved


def number(value: float) -> str:
    """Return a number as a person writes it."""
    return f"{value:,.0f}" if value >= 1 else f"{value:.6f}".rstrip("0")


def _stroke(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<path class="grid" d="M{x1:.1f} {y1:.1f} L{x2:.1f} {y2:.1f}"/>'


def _text(x: float, y: float, text: str, kind: str, more: str = "") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" {more}>{escape(text)}</text>'
