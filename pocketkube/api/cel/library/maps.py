"""What transformMap and transformMapEntry are made of: the evaluator's macros leave building the map to us."""

from __future__ import annotations

from typing import Any

from pocketkube.api.cel.library.function import Function


def _insert(found: dict[Any, Any], *entry: Any) -> dict[Any, Any]:
    """A key and a value, or a map with one."""
    added = {entry[0]: entry[1]} if len(entry) == 2 else entry[0]
    for key in added:
        if key in found:
            raise ValueError(f"insert failed: key '{key}' already exists")
    return {**found, **added}


FUNCTIONS = (
    Function(
        "cel.@mapInsert",
        ("map<dyn, dyn>, dyn, dyn -> map<dyn, dyn>", "map<dyn, dyn>, map<dyn, dyn> -> map<dyn, dyn>"),
        _insert,
    ),
)
