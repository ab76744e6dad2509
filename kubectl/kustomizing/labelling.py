"""Labels and annotations for everything, and where asked for also in selectors and templates."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kubectl.errors import CommandError
from kubectl.kustomizing.item import Item

Obj = dict[str, Any]
Path_ = tuple[str, ...]

WORKLOADS = ("Deployment", "ReplicaSet", "DaemonSet", "StatefulSet")
TEMPLATES: dict[str, tuple[Path_, ...]] = {
    **dict.fromkeys((*WORKLOADS, "ReplicationController", "Job"), (("spec", "template", "metadata"),)),
    "CronJob": (("spec", "jobTemplate", "metadata"), ("spec", "jobTemplate", "spec", "template", "metadata")),
}
# kind: (path, whether it is made where it is not yet)
SELECTORS: dict[str, tuple[tuple[Path_, bool], ...]] = {
    "Service": ((("spec", "selector"), True),),
    "ReplicationController": ((("spec", "selector"), True),),
    **dict.fromkeys(WORKLOADS, ((("spec", "selector", "matchLabels"), True),)),
    "Job": ((("spec", "selector", "matchLabels"), False),),
    "CronJob": ((("spec", "jobTemplate", "spec", "selector", "matchLabels"), False),),
    "PodDisruptionBudget": ((("spec", "selector", "matchLabels"), False),),
    "NetworkPolicy": (
        (("spec", "podSelector", "matchLabels"), False),
        (("spec", "ingress", "from", "podSelector", "matchLabels"), False),
        (("spec", "egress", "to", "podSelector", "matchLabels"), False),
    ),
}
_TERMS = ("spec", "template", "spec", "affinity")
AFFINITIES = tuple(
    (*_TERMS, kind, *rest)
    for kind in ("podAffinity", "podAntiAffinity")
    for rest in (
        ("preferredDuringSchedulingIgnoredDuringExecution", "podAffinityTerm", "labelSelector", "matchLabels"),
        ("requiredDuringSchedulingIgnoredDuringExecution", "labelSelector", "matchLabels"),
    )
)
SPREADING = ("spec", "template", "spec", "topologySpreadConstraints", "labelSelector", "matchLabels")


def labels(items: list[Item], said: Obj, folder: Path) -> None:
    for about in said.get("labels") or ():
        pairs = _texts(about.get("pairs"), "labels")
        for item in items:
            _meta(item.meta, "labels", pairs)
            if about.get("includeSelectors"):
                _select(item, pairs)
                _templates(item, "labels", pairs)
            elif about.get("includeTemplates"):
                _templates(item, "labels", pairs)
    common = _texts(said.get("commonLabels"), "commonLabels")
    for item in items if common else ():
        _meta(item.meta, "labels", common)
        _select(item, common)
        _templates(item, "labels", common)


def notes(items: list[Item], said: Obj, folder: Path) -> None:
    common = _texts(said.get("commonAnnotations"), "commonAnnotations")
    for item in items if common else ():
        _meta(item.meta, "annotations", common)
        _templates(item, "annotations", common)


def _texts(pairs: Obj | None, where: str) -> dict[str, str]:
    for name, value in (pairs or {}).items():
        if not isinstance(value, str):
            raise CommandError(f"invalid Kustomization: {where}: the value of {name} is no string")
    return dict(sorted((pairs or {}).items()))


def _meta(meta: Obj, member: str, pairs: dict[str, str]) -> None:
    meta[member] = {**(meta.get(member) or {}), **pairs}


def _templates(item: Item, member: str, pairs: dict[str, str]) -> None:
    for path in TEMPLATES.get(item.kind, ()):
        for found in _at(item.obj, path, make=True):
            _meta(found, member, pairs)
    if item.kind == "StatefulSet" and member == "labels":
        for claim in item.obj.get("spec", {}).get("volumeClaimTemplates") or ():
            _meta(claim.setdefault("metadata", {}), member, pairs)


def _select(item: Item, pairs: dict[str, str]) -> None:
    for path, make in SELECTORS.get(item.kind, ()):
        for found in _at(item.obj, path, make=make):
            found.update(pairs)
    if item.kind in ("Deployment", "StatefulSet"):
        for path in (*AFFINITIES, SPREADING):
            for found in _at(item.obj, path, make=False):
                found.update(pairs)


def _at(value: Any, path: Path_, *, make: bool) -> Iterator[Obj]:
    """The maps at a path, in each item of the lists on the way."""
    if isinstance(value, list):
        for item in value:
            yield from _at(item, path, make=make)
    elif isinstance(value, dict):
        if not path:
            yield value
            return
        if value.get(path[0]) is None:
            if not make:
                return
            value[path[0]] = {}
        yield from _at(value[path[0]], path[1:], make=make)
