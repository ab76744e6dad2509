"""Replica sets as a deployment sees them: sizes, template hash, the new one among them, revisions and annotations. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import orjson

from controller.ownership import controller_reference
from controller.shares import share
from pocketkube.api.meta import names
from pocketkube.client.resources import DEPLOYMENTS

Obj = dict[str, Any]

HASH_LABEL = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"
REVISION_HISTORY = "deployment.kubernetes.io/revision-history"
DESIRED = "deployment.kubernetes.io/desired-replicas"
MAXIMUM = "deployment.kubernetes.io/max-replicas"
_NOT_COPIED = {
    "kubectl.kubernetes.io/last-applied-configuration",
    REVISION,
    REVISION_HISTORY,
    DESIRED,
    MAXIMUM,
    "deprecated.deployment.rollback.to",
    "deprecated.daemonset.template.generation",
}
_HISTORY_LIMIT = 2000  # characters of the revision-history annotation


def size(replica_set: Obj) -> int:
    return int(replica_set["spec"].get("replicas", 1))


def counted(replica_set: Obj, field: str) -> int:
    """A number of the status: `replicas`, `availableReplicas`..."""
    return int((replica_set.get("status") or {}).get(field) or 0)


def total(sets: Iterable[Obj], field: str = "") -> int:
    """The sum of spec.replicas, or of a status field."""
    return sum(counted(s, field) if field else size(s) for s in sets)


def active(sets: Iterable[Obj]) -> list[Obj]:
    return [s for s in sets if size(s) > 0]


def notes(obj: Obj) -> dict[str, str]:
    """Its annotations."""
    return obj["metadata"].get("annotations") or {}


def number(obj: Obj, annotation: str) -> int:
    """An annotation's integer, 0 without one."""
    try:
        return int(notes(obj).get(annotation, "0"))
    except ValueError:
        return 0


def _created(obj: Obj) -> tuple[str, str]:
    return obj["metadata"].get("creationTimestamp") or "", obj["metadata"]["name"]


def by_age(sets: Iterable[Obj]) -> list[Obj]:
    """Oldest first."""
    return sorted(sets, key=_created)


def bounds(deployment: Obj) -> tuple[int, int]:
    """(maxSurge, maxUnavailable) in pods: surge rounds up, unavailable down, never both 0. (0, 0) unless rolling."""
    if (deployment["spec"].get("strategy") or {}).get("type", "RollingUpdate") != "RollingUpdate":
        return 0, 0
    rolling = deployment["spec"].get("strategy", {}).get("rollingUpdate") or {}
    replicas = wanted(deployment)
    surge = share(rolling.get("maxSurge", "25%"), replicas, up=True)
    unavailable = share(rolling.get("maxUnavailable", "25%"), replicas, up=False)
    if surge == 0 and unavailable == 0:
        unavailable = 1
    return surge, min(unavailable, replicas)


def wanted(deployment: Obj) -> int:
    return int(deployment["spec"].get("replicas", 1))


def _pruned(value: Any) -> Any:
    """Without what is empty: null, {} and [] mean the same as absent, so that defaulting does not make templates differ."""
    if isinstance(value, dict):
        kept = {k: _pruned(v) for k, v in value.items()}
        return {k: v for k, v in kept.items() if v is not None and v != {} and v != []}
    if isinstance(value, list):
        return [_pruned(v) for v in value]
    return value


def same_template(one: Obj, other: Obj) -> bool:
    return bool(_bare(one) == _bare(other))


def _bare(template: Obj) -> Any:
    """A template without the hash label that only replica sets carry."""
    metadata = template.get("metadata") or {}
    labels = {k: v for k, v in (metadata.get("labels") or {}).items() if k != HASH_LABEL}
    return _pruned({**template, "metadata": {**metadata, "labels": labels, "creationTimestamp": None}})


def template_hash(template: Obj, collisions: int | None) -> str:
    """FNV-1a of the template, in the alphabet of generated names; a collision count gives another hash."""
    data = orjson.dumps(_bare(template), option=orjson.OPT_SORT_KEYS)
    if collisions:
        data += collisions.to_bytes(8, "little")
    value = 2166136261
    for byte in data:
        value = ((value ^ byte) * 16777619) & 0xFFFFFFFF
    return names.safe_encode(str(value))


def find_new(deployment: Obj, sets: Iterable[Obj]) -> Obj | None:
    """The oldest set of the deployment's template: with a duplicate, all agree on one."""
    template = _bare(deployment["spec"]["template"])
    return next((s for s in by_age(sets) if _bare(s["spec"]["template"]) == template), None)


def annotated(replica_set: Obj, changes: dict[str, str]) -> Obj:
    metadata = replica_set["metadata"]
    return {**replica_set, "metadata": {**metadata, "annotations": {**notes(replica_set), **changes}}}


def resized(replica_set: Obj, replicas: int, deployment: Obj) -> Obj:
    """A copy of the set with a size and with the annotations that proportional scaling reads later."""
    surge, _ = bounds(deployment)
    noted = annotated(replica_set, {DESIRED: str(wanted(deployment)), MAXIMUM: str(wanted(deployment) + surge)})
    return {**noted, "spec": {**noted["spec"], "replicas": replicas}}


def revised(replica_set: Obj, deployment: Obj, revision: int) -> Obj:
    """The new set with the deployment's annotations, minReadySeconds and, if it rises, its revision number."""
    changes = {k: v for k, v in notes(deployment).items() if k not in _NOT_COPIED}
    old = number(replica_set, REVISION)
    if old < revision:
        changes[REVISION] = str(revision)
        if old:
            changes[REVISION_HISTORY] = _history(notes(replica_set).get(REVISION_HISTORY, ""), old)
    updated = annotated(replica_set, changes)
    if updated["spec"].get("minReadySeconds", 0) != deployment["spec"].get("minReadySeconds", 0):
        updated = {
            **updated,
            "spec": {**updated["spec"], "minReadySeconds": deployment["spec"].get("minReadySeconds", 0)},
        }
    return updated


def _history(history: str, revision: int) -> str:
    kept = [*filter(None, history.split(",")), str(revision)]
    while len(",".join(kept)) > _HISTORY_LIMIT:
        kept.pop(0)
    return ",".join(kept)


def created(deployment: Obj, replicas: int, revision: int) -> Obj:
    """A replica set for the deployment's template, not yet known to the server."""
    spec = deployment["spec"]
    template = spec["template"]
    digest = template_hash(template, (deployment.get("status") or {}).get("collisionCount"))
    metadata = template.get("metadata") or {}
    labels = {**(metadata.get("labels") or {}), HASH_LABEL: digest}
    selector = spec["selector"]
    fresh: Obj = {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": f"{deployment['metadata']['name'][: 253 - len(digest) - 1]}-{digest}",
            "namespace": deployment["metadata"]["namespace"],
            "labels": labels,
            "ownerReferences": [controller_reference(deployment, DEPLOYMENTS)],
        },
        "spec": {
            "replicas": replicas,
            "selector": {**selector, "matchLabels": {**(selector.get("matchLabels") or {}), HASH_LABEL: digest}},
            "template": {**template, "metadata": {**metadata, "labels": labels}},
        },
    }
    if spec.get("minReadySeconds"):
        fresh["spec"]["minReadySeconds"] = spec["minReadySeconds"]
    return resized(revised(fresh, deployment, revision), replicas, deployment)


def highest_revision(sets: Sequence[Obj]) -> int:
    return max((number(s, REVISION) for s in sets), default=0)
