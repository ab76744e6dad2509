"""Plots as plain SVG text: bars of two servers, bars in groups, and lines over a logarithmic axis."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

_COLOURS = ("#2f6f9f", "#b9b9b9", "#c8553d", "#588157", "#8d6a9f")
_WIDTH, _ROW, _LEFT = 720, 34, 110


def bars(title: str, ours: Mapping[str, float], theirs: Mapping[str, float], *, names: tuple[str, str]) -> str:
    """One pair of bars a row, each as a share of the second server's figure, which is 100 %."""
    shares = [(name, ours[name] / theirs[name]) for name in ours if theirs.get(name)]
    longest = max([1.0, *(share for _, share in shares)])
    scale = (_WIDTH - _LEFT - 170) / longest
    parts = []
    for at, (name, share) in enumerate(shares):
        top = 56 + at * _ROW
        parts += [
            _text(_LEFT - 8, top + 17, name, anchor="end"),
            _bar(_LEFT, top, scale * share, _COLOURS[0]),
            _bar(_LEFT, top + 13, scale, _COLOURS[1]),
            _text(_LEFT + scale * max(share, 1) + 6, top + 17, f"{ours[name]:g} / {theirs[name]:g}"),
        ]
    half = _LEFT + scale / 2
    parts.append(f'<path d="M{half:.0f} 50V{60 + len(shares) * _ROW}" stroke="#c8553d" stroke-dasharray="4 3"/>')
    return _page(title, parts, 70 + len(shares) * _ROW, legend=names)


def groups(title: str, series: Mapping[str, Mapping[str, float]]) -> str:
    """For each name in the first series a group of bars, one of each series; series -> name -> µs."""
    names = list(next(iter(series.values())))
    longest = max(value for given in series.values() for value in given.values())
    scale = (_WIDTH - _LEFT - 70) / (longest or 1.0)
    height = 13 * len(series) + 12
    parts = []
    for at, name in enumerate(names):
        top = 56 + at * height
        parts.append(_text(_LEFT - 8, top + height / 2, name, anchor="end"))
        for number, given in enumerate(series.values()):
            value = given.get(name, 0.0)
            parts.append(_bar(_LEFT, top + 13 * number, scale * value, _COLOURS[number % 5]))
            parts.append(_text(_LEFT + scale * value + 6, top + 13 * number + 10, f"{value:.3g}", size=10))
    return _page(title, parts, 64 + len(names) * height, legend=tuple(series))


def lines(title: str, series: Mapping[str, Sequence[tuple[float, float]]]) -> str:
    """Each series by its points; x is logarithmic, y starts at 0."""
    points = [point for given in series.values() for point in given]
    low, high = math.log10(min(x for x, _ in points)), math.log10(max(x for x, _ in points))
    top = max(y for _, y in points) * 1.1 or 1.0

    def place(x: float, y: float) -> tuple[float, float]:
        along = (math.log10(x) - low) / (high - low or 1.0)
        return _LEFT + along * (_WIDTH - _LEFT - 60), 300 - 240 * y / top

    parts = [f'<path d="M{_LEFT} 50V300H{_WIDTH - 40}" stroke="#888" fill="none"/>']
    for number, given in enumerate(series.values()):
        placed = [place(x, y) for x, y in given]
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in placed)
        parts.append(f'<path d="M{path}" stroke="{_COLOURS[number % 5]}" stroke-width="2" fill="none"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{_COLOURS[number % 5]}"/>' for x, y in placed]
    for x in sorted({x for x, _ in points}):
        parts.append(_text(place(x, 0)[0], 318, f"{x:,.0f}", anchor="middle"))
    for share in (0.0, 0.5, 1.0):
        parts.append(_text(_LEFT - 8, 304 - 240 * share, f"{top * share:.0f} µs", anchor="end"))
    return _page(title, parts, 330, legend=tuple(series))


def _page(title: str, parts: Sequence[str], height: int, *, legend: Sequence[str]) -> str:
    shown = [_text(14, 20, title, size=15)]
    left = 14.0
    for number, name in enumerate(legend):
        shown += [_bar(left, 32, 10, _COLOURS[number % 5]), _text(left + 15, 41, name)]
        left += 34 + 7 * len(name)
    body = "\n".join([*shown, *parts])
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" font-family="sans-serif">\n'
        f'<rect width="100%" height="100%" fill="white"/>\n{body}\n</svg>\n'
    )


def _bar(x: float, y: float, width: float, colour: str) -> str:
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 1):.1f}" height="11" fill="{colour}"/>'


def _text(x: float, y: float, text: str, *, anchor: str = "start", size: int = 12) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}">{escape(text)}</text>'
