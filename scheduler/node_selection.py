"""Node selectors: the plain nodeSelector, and node affinity's terms over labels and the node's name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from scheduler.node_info import NodeInfo

Obj = dict[str, Any]


def _integer(text: str) -> int | None:
    try:
        return int(text)
    except ValueError:
        return None


def _greater(value: str | None, values: list[str], sign: int) -> bool:
    if value is None or len(values) != 1:
        return False
    one, other = _integer(value), _integer(values[0])
    return one is not None and other is not None and sign * (one - other) > 0


_OPERATORS: dict[str, Callable[[str | None, list[str]], bool]] = {
    "In": lambda value, values: value is not None and value in values,
    "NotIn": lambda value, values: value is None or value not in values,
    "Exists": lambda value, values: value is not None,
    "DoesNotExist": lambda value, values: value is None,
    "Gt": lambda value, values: _greater(value, values, 1),
    "Lt": lambda value, values: _greater(value, values, -1),
}


def _holds(requirement: Obj, found: Mapping[str, str]) -> bool:
    test = _OPERATORS.get(requirement.get("operator", ""))
    return test is not None and test(found.get(requirement["key"]), requirement.get("values") or [])


def term_matches(term: Obj, node: NodeInfo) -> bool:
    """All expressions and fields of one term; a term without any matches no node."""
    expressions, fields = term.get("matchExpressions") or (), term.get("matchFields") or ()
    if not expressions and not fields:
        return False
    named = {"metadata.name": node.name}
    return all(_holds(r, node.labels) for r in expressions) and all(_holds(r, named) for r in fields)


def selector_matches(selector: Obj, node: NodeInfo) -> bool:
    """A NodeSelector: any of its terms."""
    return any(term_matches(term, node) for term in selector.get("nodeSelectorTerms") or ())


def required(spec: Obj) -> Obj | None:
    """The pod's required node affinity, a NodeSelector."""
    node = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    found: Obj | None = node.get("requiredDuringSchedulingIgnoredDuringExecution")
    return found


def preferred(spec: Obj) -> list[Obj]:
    """The pod's weighted preferences that ask for anything."""
    node = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    return [p for p in node.get("preferredDuringSchedulingIgnoredDuringExecution") or () if p.get("weight")]


def pod_matches(spec: Obj, node: NodeInfo) -> bool:
    """nodeSelector and required node affinity together."""
    labels = node.labels
    for key, value in (spec.get("nodeSelector") or {}).items():
        if labels.get(key) != value:
            return False
    selector = required(spec)
    return selector is None or selector_matches(selector, node)
