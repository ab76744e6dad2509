"""What a single probe found."""

from __future__ import annotations

from typing import NamedTuple


class Result(NamedTuple):
    """`output` is for the event. `known` is False where the probe itself could not be made: it then counts for nothing."""

    ok: bool
    output: str = ""
    known: bool = True
