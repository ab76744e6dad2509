"""Durations as flags, files and queries write them, in Go's form: `1h30m`, `500ms`, `-1.5s`, `0`."""

from __future__ import annotations

import re

UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ns": 1e-9}
_PIECE = re.compile(r"(\d+\.?\d*|\.\d+)([^\d.]*)")


def parse(text: str) -> float:
    """In seconds. Raises ValueError in the words of Go's parser."""
    negative = text[:1] == "-"
    rest = text[1:] if text[:1] in ("+", "-") else text
    if rest == "0":
        return 0.0
    total, at = 0.0, 0
    while at < len(rest) or not at:
        piece = _PIECE.match(rest, at)
        if piece is None:
            raise ValueError(f'time: invalid duration "{text}"')
        number, unit = piece.groups()
        if unit not in UNITS:
            what = f'unknown unit "{unit}"' if unit else "missing unit"
            raise ValueError(f'time: {what} in duration "{text}"')
        total += float(number) * UNITS[unit]
        at = piece.end()
    return -total if negative else total


def whole(text: str) -> int:
    """In whole seconds, rounded towards zero. Raises ValueError."""
    return int(parse(text))


def render(seconds: float) -> str:
    """`2m40s`, `1h0m5s`, `1.5s`: as Go prints it."""
    rest = abs(seconds)
    hours, rest = divmod(rest, 3600)
    minutes, rest = divmod(rest, 60)
    shown = f"{rest:.9f}".rstrip("0").rstrip(".") + "s"
    if hours or minutes:
        shown = f"{minutes:.0f}m{shown}"
    if hours:
        shown = f"{hours:.0f}h{shown}"
    return f"-{shown}" if seconds < 0 else shown
