"""Whether a pod may be on a node: node selector and affinity, taints and tolerations. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

Obj = dict[str, Any]


def tolerates(toleration: Obj, taint: Obj) -> bool:
    if toleration.get("effect") and toleration["effect"] != taint["effect"]:
        return False
    if toleration.get("key") and toleration["key"] != taint["key"]:
        return False
    if toleration.get("operator", "Equal") == "Exists":
        return True
    return bool(toleration.get("key")) and (toleration.get("value") or "") == (taint.get("value") or "")


def untolerated(tolerations: Iterable[Obj], taints: Iterable[Obj], *effects: str) -> Obj | None:
    """The first taint of one of the effects that no toleration covers."""
    listed = list(tolerations)
    for taint in taints:
        if taint["effect"] in effects and not any(tolerates(t, taint) for t in listed):
            return taint
    return None


def selects(spec: Obj, node: Obj) -> bool:
    """The pod spec's nodeSelector and required node affinity accept the node."""
    labels = node["metadata"].get("labels") or {}
    if any(labels.get(k) != v for k, v in (spec.get("nodeSelector") or {}).items()):
        return False
    affinity = ((spec.get("affinity") or {}).get("nodeAffinity") or {}).get(
        "requiredDuringSchedulingIgnoredDuringExecution"
    )
    if affinity is None:
        return True
    fields = {"metadata.name": node["metadata"]["name"]}
    return any(_term(term, labels, fields) for term in affinity.get("nodeSelectorTerms") or ())


def _term(term: Obj, labels: Mapping[str, str], fields: Mapping[str, str]) -> bool:
    """An empty term selects nothing."""
    expressions, on_fields = term.get("matchExpressions") or (), term.get("matchFields") or ()
    if not expressions and not on_fields:
        return False
    return all(_matches(e, labels) for e in expressions) and all(_matches(e, fields) for e in on_fields)


def _matches(requirement: Obj, values: Mapping[str, str]) -> bool:
    found, operator = values.get(requirement["key"]), requirement["operator"]
    wanted: list[str] = requirement.get("values") or []
    if operator == "In":
        return found in wanted
    if operator == "NotIn":
        return found not in wanted
    if operator == "Exists":
        return found is not None
    if operator == "DoesNotExist":
        return found is None
    try:
        bound = int(wanted[0])
        return found is not None and (int(found) > bound if operator == "Gt" else int(found) < bound)
    except (ValueError, IndexError):
        return False
