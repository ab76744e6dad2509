"""Reads the rule lines of the default roles: `read | core apps | pods deployments/scale | name`.

`core` is the core group; `read` and `write` stand for their verbs."""

from __future__ import annotations

from typing import Any

Obj = dict[str, Any]

_VERBS = {
    "read": ("get", "list", "watch"),
    "write": ("create", "delete", "deletecollection", "patch", "update"),
}
EVENTS = "create patch update | core events.k8s.io | events"


def rule(line: str) -> Obj:
    """One PolicyRule with its lists in order, as the API shows it."""
    verbs, groups, *rest = [part.split() for part in line.split("|")]
    spelled = sorted({v for verb in verbs for v in _VERBS.get(verb, (verb,))})
    if groups == ["url"]:
        return {"nonResourceURLs": sorted(rest[0]), "verbs": spelled}
    found: Obj = {"apiGroups": ["" if g == "core" else g for g in groups]}
    if len(rest) > 1:
        found["resourceNames"] = rest[1]
    return {**found, "resources": sorted(rest[0]), "verbs": spelled}


def rules(*lines: str) -> list[Obj]:
    return [rule(line) for line in lines]
