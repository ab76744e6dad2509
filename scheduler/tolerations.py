"""Whether a pod bears a node's taints."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

Obj = dict[str, Any]

NO_SCHEDULE = frozenset(("NoSchedule", "NoExecute"))
UNSCHEDULABLE_TAINT = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}


def tolerates(toleration: Obj, taint: Obj) -> bool:
    """An empty effect means every effect; Exists without key means every taint."""
    effect = toleration.get("effect")
    if effect and effect != taint.get("effect"):
        return False
    key, op = toleration.get("key") or "", toleration.get("operator") or "Equal"
    if key and key != taint["key"]:
        return False
    if op == "Exists":
        return True
    if not key:
        return False
    own, other = toleration.get("value") or "", taint.get("value") or ""
    if op in ("Lt", "Gt"):
        return _compares(other, op, own)
    return bool(own == other)


def _compares(value: str, op: str, bound: str) -> bool:
    try:
        return int(value) < int(bound) if op == "Lt" else int(value) > int(bound)
    except ValueError:
        return False


def untolerated(taints: Iterable[Obj], tolerations: Sequence[Obj], effects: frozenset[str]) -> Obj | None:
    """The first taint with one of `effects` that nothing in `tolerations` bears."""
    for taint in taints:
        if taint.get("effect") in effects and not any(tolerates(t, taint) for t in tolerations):
            return taint
    return None
