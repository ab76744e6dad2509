"""What changed between two lists of a node's conditions, in the words of the events that tell of it."""

from __future__ import annotations

from typing import Any

Obj = dict[str, Any]

# By condition type: the reason where it is True, where it is False.
_PRESSURES = {
    "MemoryPressure": ("NodeHasInsufficientMemory", "NodeHasSufficientMemory"),
    "DiskPressure": ("NodeHasDiskPressure", "NodeHasNoDiskPressure"),
    "PIDPressure": ("NodeHasInsufficientPID", "NodeHasSufficientPID"),
}


def reasons(before: list[Obj], after: list[Obj]) -> list[str]:
    """Reasons of events. A pressure that was not known before is told, a readiness only once it changes, as upstream."""
    was = {c["type"]: c["status"] for c in before}
    found = []
    for condition in after:
        name, status = condition["type"], condition["status"]
        if was.get(name) == status:
            continue
        if name in _PRESSURES:
            found.append(_PRESSURES[name][0 if status == "True" else 1])
        elif name == "Ready" and name in was:
            found.append("NodeReady" if status == "True" else "NodeNotReady")
    return found
