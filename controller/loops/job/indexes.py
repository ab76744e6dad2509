"""Sets of completion indexes as the API writes them: `0-2,5` is {0, 1, 2, 5}. Pure."""

from __future__ import annotations

from collections.abc import Iterable


def parse(text: str, completions: int) -> set[int]:
    """Indexes below `completions`; what cannot be read counts as absent."""
    found: set[int] = set()
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        try:
            found.update(range(int(first), min(int(last or first) + 1, completions)))
        except ValueError:
            continue
    return {i for i in found if i < completions}


def render(indexes: Iterable[int]) -> str:
    """`{0, 1, 3}` is `0,1,3`: only three and more in a row make a range... of two ends."""
    parts: list[str] = []
    run: list[int] = []
    for index in [*sorted(indexes), None]:
        if run and index == run[-1] + 1:
            run.append(index)
            continue
        if len(run) == 1:
            parts.append(str(run[0]))
        elif run:
            parts.append(f"{run[0]}{',' if len(run) == 2 else '-'}{run[-1]}")
        run = [index] if index is not None else []
    return ",".join(parts)
