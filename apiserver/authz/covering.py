"""Whether some PolicyRules cover others: the question behind escalation checks and the reconciling of default roles. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from apiserver.authz import rules

Obj = dict[str, Any]


def covers(owner: Sequence[Obj], wanted: Iterable[Obj]) -> bool:
    return not uncovered(owner, wanted)


def uncovered(owner: Sequence[Obj], wanted: Iterable[Obj]) -> list[Obj]:
    """The single-verb, single-resource pieces of `wanted` that no rule of `owner` gives."""
    return [piece for rule in wanted for piece in pieces(rule) if not any(_covers(o, piece) for o in owner)]


def pieces(rule: Obj) -> Iterator[Obj]:
    """A rule as rules of one group, one resource, one verb, and one name or URL at most."""
    for verb in rule.get("verbs") or ():
        for url in rule.get("nonResourceURLs") or ():
            yield {"verbs": [verb], "nonResourceURLs": [url]}
        for group in rule.get("apiGroups") or ():
            for resource in rule.get("resources") or ():
                piece = {"apiGroups": [group], "resources": [resource], "verbs": [verb]}
                names = rule.get("resourceNames")
                if not names:
                    yield piece
                for name in names or ():
                    yield {**piece, "resourceNames": [name]}


def _covers(owner: Obj, piece: Obj) -> bool:
    verb = piece["verbs"][0]
    if not rules.verb_matches(owner, verb):
        return False
    if urls := piece.get("nonResourceURLs"):
        return rules.path_matches(owner.get("nonResourceURLs") or (), urls[0])
    groups, group = owner.get("apiGroups") or (), piece["apiGroups"][0]
    if group not in groups and "*" not in groups:
        return False
    resource, _, subresource = piece["resources"][0].partition("/")
    if not rules.resource_matches(owner.get("resources") or (), resource, subresource=subresource):
        return False
    names, wanted = owner.get("resourceNames"), piece.get("resourceNames")
    return not names or bool(wanted and wanted[0] in names)
