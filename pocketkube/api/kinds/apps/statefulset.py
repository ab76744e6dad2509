"""StatefulSet: numbered pods, each with a name and storage of its own."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pocketkube.api.kinds import checks, columns, workload
from pocketkube.api.kinds.checks import Errors
from pocketkube.api.kinds.kind import SCALE, STATUS, Kind, ScalePaths
from pocketkube.api.kinds.podspec import claims, defaults
from pocketkube.api.meta import field
from pocketkube.api.schema import Schema

Obj = dict[str, Any]

_COLUMNS = (
    columns.NAME,
    columns.text("Ready", "How many pods are ready, of how many."),
    columns.AGE,
    columns.CONTAINERS,
    columns.IMAGES,
)
_MUTABLE = (
    "replicas", "ordinals", "template", "updateStrategy", "revisionHistoryLimit", "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
)  # fmt: skip
_FIXED = (
    "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', "
    "'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden"
)


def _default(obj: Obj) -> None:
    spec = workload.spec_of(obj)
    workload.fill(spec, replicas=1, revisionHistoryLimit=workload.REVISION_HISTORY, serviceName="")
    if not spec.get("podManagementPolicy"):
        spec["podManagementPolicy"] = "OrderedReady"
    strategy = spec.setdefault("updateStrategy", {})
    if not strategy.get("type"):
        strategy["type"] = "RollingUpdate"
        strategy.setdefault("rollingUpdate", {})
    if strategy["type"] == "RollingUpdate" and strategy.get("rollingUpdate") is not None:
        strategy["rollingUpdate"] = {"partition": 0, **strategy["rollingUpdate"]}
    retention = spec.get("persistentVolumeClaimRetentionPolicy") or {}
    spec["persistentVolumeClaimRetentionPolicy"] = {"whenDeleted": "Retain", "whenScaled": "Retain", **retention}
    for claim in spec.get("volumeClaimTemplates") or ():
        claim.update(apiVersion="v1", kind="PersistentVolumeClaim")
        claim.setdefault("metadata", {})
        defaults.claim_spec(claim.setdefault("spec", {}))
        claim.setdefault("status", {}).setdefault("phase", "Pending")
    workload.template(spec)


def _validate(obj: Obj) -> Errors:
    spec = obj["spec"]
    wrong: Errors = []
    if (policy := spec["podManagementPolicy"]) not in ("OrderedReady", "Parallel"):
        wrong.append(field.invalid("spec.podManagementPolicy", policy, "must be 'OrderedReady' or 'Parallel'"))
    wrong += _strategy(spec["updateStrategy"], "spec.updateStrategy")
    for name, value in spec["persistentVolumeClaimRetentionPolicy"].items():
        path = f"spec.persistentVolumeClaimRetentionPolicy.{name}"
        wrong += checks.one_of(path, value, ["Delete", "Retain"])
    wrong += checks.not_negative_fields("spec", spec, "replicas", "minReadySeconds")
    wrong += checks.not_negative_fields("spec.ordinals", spec.get("ordinals") or {}, "start")
    return wrong + workload.selected_template(_with_claims(spec), "spec", kind="StatefulSet", empty="statefulset")


def _with_claims(spec: Obj) -> Obj:
    """The spec with the volumes that the pods get of the claim templates, which take the place of others by their name."""
    claims = {claim["metadata"].get("name", "") for claim in spec.get("volumeClaimTemplates") or ()}
    if not claims:
        return spec
    template: Obj = spec["template"]
    pod = template.get("spec") or {}
    volumes = [volume for volume in pod.get("volumes") or () if volume.get("name") not in claims]
    volumes += [{"name": name, "persistentVolumeClaim": {"claimName": name}} for name in sorted(claims)]
    return {**spec, "template": {**template, "spec": {**pod, "volumes": volumes}}}


def _strategy(strategy: Obj, path: str) -> Errors:
    kind, rolling = strategy["type"], strategy.get("rollingUpdate")
    if kind == "OnDelete":
        why = "only allowed for updateStrategy 'RollingUpdate'"
        return [field.invalid(f"{path}.rollingUpdate", rolling, why)] if rolling is not None else []
    if kind != "RollingUpdate":
        return [field.invalid(path, strategy, "must be 'RollingUpdate' or 'OnDelete'")]
    wrong = checks.not_negative_fields(f"{path}.rollingUpdate", rolling or {}, "partition")
    if (most := (rolling or {}).get("maxUnavailable")) is not None:
        wrong += checks.int_or_percent(f"{path}.rollingUpdate.maxUnavailable", most)
        if most in (0, "0%"):
            wrong.append(field.invalid(f"{path}.rollingUpdate.maxUnavailable", most, "cannot be 0"))
    return wrong


def _validate_update(obj: Obj, old: Obj) -> Errors:
    wrong = _validate(obj)
    spec, before = obj["spec"], old["spec"]
    if any(spec.get(name) != before.get(name) for name in spec.keys() | before.keys() if name not in _MUTABLE):
        wrong.append(field.forbidden("spec", _FIXED))
    return wrong


def _validate_status(obj: Obj, old: Obj) -> Errors:
    counts = (
        "replicas",
        "readyReplicas",
        "currentReplicas",
        "updatedReplicas",
        "availableReplicas",
        "observedGeneration",
    )
    status = obj.get("status") or {}
    wrong = checks.not_negative_fields("status", status, *counts, "collisionCount")
    for name in ("readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas"):
        if status.get(name, 0) > status.get("replicas", 0):
            wrong.append(field.invalid(f"status.{name}", status.get(name, 0), "cannot be greater than status.replicas"))
    return wrong


def _row(obj: Obj, now: datetime) -> list[Any]:
    ready = (obj.get("status") or {}).get("readyReplicas", 0)
    return [
        obj["metadata"]["name"],
        f"{ready}/{obj['spec'].get('replicas', 0)}",
        columns.age(obj, now),
        *columns.template(obj),
    ]


def _warnings(obj: Obj) -> list[str]:
    found = workload.template_warnings(obj)
    for at, claim in enumerate(obj["spec"].get("volumeClaimTemplates") or ()):
        found += claims.warnings(claim.get("spec") or {}, f"spec.volumeClaimTemplates[{at}].spec")
    if (obj["spec"].get("revisionHistoryLimit") or 0) < 0:
        found.append(
            "spec.revisionHistoryLimit: a negative value retains all historical revisions; a value >= 0 is recommended"
        )
    return found


def _update_warnings(obj: Obj, old: Obj) -> list[str]:
    return [] if obj["metadata"].get("generation") == old["metadata"].get("generation") else _warnings(obj)


KIND = Kind(
    group="apps",
    version="v1",
    kind="StatefulSet",
    plural="statefulsets",
    namespaced=True,
    schema=Schema.of("io.k8s.api.apps.v1.StatefulSet"),
    short_names=("sts",),
    categories=("all",),
    subresources=(SCALE, STATUS),
    priority=10,
    scale=ScalePaths(selector="spec.selector"),
    columns=_COLUMNS,
    row=_row,
    default=_default,
    prepare_create=workload.begins({"replicas": 0, "availableReplicas": 0}),
    warnings=_warnings,
    update_warnings=_update_warnings,
    validate=_validate,
    validate_update=_validate_update,
    validate_status=_validate_status,
)
