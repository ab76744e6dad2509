"""Numbers that may be given as percentages: `2`, or `25%` of so many."""

from __future__ import annotations


def share(value: int | str, of: int, *, up: bool) -> int:
    """`25%` of 3 is 1 rounded up, 0 rounded down; a number is itself."""
    if isinstance(value, int):
        return value
    percent = int(value.rstrip("%"))
    return -(-percent * of // 100) if up else percent * of // 100
