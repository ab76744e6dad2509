"""Whether a pod may be on a node: node selector and node affinity, taints and tolerations.

A node is its labels and its name here, so that anyone who knows a node in a form of its own can ask.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from typing import Any

Obj = dict[str, Any]

NO_SCHEDULE = frozenset(("NoSchedule", "NoExecute"))  # effects that keep new pods away
NO_EXECUTE = frozenset(("NoExecute",))  # effects that also make pods leave


def tolerates(toleration: Obj, taint: Obj) -> bool:
    """An empty effect means every effect; Exists without key means every taint."""
    effect = toleration.get("effect")
    if effect and effect != taint.get("effect"):
        return False
    key, operator = toleration.get("key") or "", toleration.get("operator") or "Equal"
    if key and key != taint["key"]:
        return False
    if operator == "Exists":
        return True
    if not key:
        return False
    own, other = toleration.get("value") or "", taint.get("value") or ""
    if operator in ("Lt", "Gt"):
        return _exceeds(other, own, 1 if operator == "Gt" else -1)
    return bool(own == other)


def untolerated(taints: Iterable[Obj], tolerations: Sequence[Obj], effects: Set[str]) -> Obj | None:
    """The first taint with one of `effects` that nothing in `tolerations` bears."""
    for taint in taints:
        if taint.get("effect") in effects and not any(tolerates(t, taint) for t in tolerations):
            return taint
    return None


def _exceeds(value: str, bound: str, sign: int) -> bool:
    """Whole numbers; what is none exceeds nothing."""
    try:
        return sign * (int(value) - int(bound)) > 0
    except ValueError:
        return False


_OPERATORS: Mapping[str, Callable[[str | None, list[str]], bool]] = {
    "In": lambda value, values: value is not None and value in values,
    "NotIn": lambda value, values: value is None or value not in values,
    "Exists": lambda value, values: value is not None,
    "DoesNotExist": lambda value, values: value is None,
    "Gt": lambda value, values: value is not None and len(values) == 1 and _exceeds(value, values[0], 1),
    "Lt": lambda value, values: value is not None and len(values) == 1 and _exceeds(value, values[0], -1),
}


def _holds(requirement: Obj, found: Mapping[str, str]) -> bool:
    test = _OPERATORS.get(requirement.get("operator", ""))
    return test is not None and test(found.get(requirement["key"]), requirement.get("values") or [])


def term_matches(term: Obj, labels: Mapping[str, str], name: str) -> bool:
    """All expressions and fields of one term; a term without any matches no node."""
    expressions, fields = term.get("matchExpressions") or (), term.get("matchFields") or ()
    if not expressions and not fields:
        return False
    named = {"metadata.name": name}
    return all(_holds(r, labels) for r in expressions) and all(_holds(r, named) for r in fields)


def selector_matches(selector: Obj, labels: Mapping[str, str], name: str) -> bool:
    """A NodeSelector: any of its terms."""
    return any(term_matches(term, labels, name) for term in selector.get("nodeSelectorTerms") or ())


def required(spec: Obj) -> Obj | None:
    """The pod's required node affinity, a NodeSelector."""
    node = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    found: Obj | None = node.get("requiredDuringSchedulingIgnoredDuringExecution")
    return found


def preferred(spec: Obj) -> list[Obj]:
    """The pod's weighted preferences that ask for anything."""
    node = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    return [p for p in node.get("preferredDuringSchedulingIgnoredDuringExecution") or () if p.get("weight")]


def selects(spec: Obj, labels: Mapping[str, str], name: str) -> bool:
    """A pod spec's nodeSelector and required node affinity together."""
    for key, value in (spec.get("nodeSelector") or {}).items():
        if labels.get(key) != value:
            return False
    selector = required(spec)
    return selector is None or selector_matches(selector, labels, name)
