"""What a single probe found."""

from __future__ import annotations

from typing import NamedTuple


class Result(NamedTuple):
    """`output` is for the event. `known` is False where the probe itself could not be made: it then counts for nothing.
    `doubtful` is a success that users are warned of."""

    ok: bool
    output: str = ""
    known: bool = True
    doubtful: bool = False
