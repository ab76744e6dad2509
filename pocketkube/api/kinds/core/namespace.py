"""Namespace: a scope of names; it ends when its content is gone and its finalizers are."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pocketkube.api.kinds import checks, columns, workload
from pocketkube.api.kinds.checks import Errors
from pocketkube.api.kinds.kind import STATUS, Kind, Subresource
from pocketkube.api.meta import field
from pocketkube.api.schema import Schema

Obj = dict[str, Any]

NAME_LABEL = "kubernetes.io/metadata.name"
_COLUMNS = (columns.NAME, columns.text("Status", "Active, or Terminating while its content goes."), columns.AGE)
_FINALIZERS = ("kubernetes", "orphan", "foregroundDeletion")


def _default(obj: Obj) -> None:
    workload.spec_of(obj)
    status: Obj = obj.get("status") or {}
    if not status.get("phase"):
        obj["status"] = {**status, "phase": "Active"}
    if name := obj["metadata"].get("name"):
        labels = obj["metadata"].get("labels")
        if labels is None:
            labels = obj["metadata"]["labels"] = {}
        labels[NAME_LABEL] = name


def _prepare_create(obj: Obj) -> None:
    obj["status"] = {"phase": "Active"}
    finalizers = obj["spec"].setdefault("finalizers", [])
    if "kubernetes" not in finalizers:
        finalizers.append("kubernetes")


def _prepare_update(obj: Obj, old: Obj) -> None:
    """Finalizers of the spec go by /finalize only."""
    obj["spec"] = {**obj["spec"], "finalizers": (old.get("spec") or {}).get("finalizers") or []}


def _validate(obj: Obj) -> Errors:
    return validate_finalizers(obj["spec"].get("finalizers") or [], "spec.finalizers")


def validate_finalizers(found: list[str], path: str) -> Errors:
    wrong: Errors = []
    for name in found:
        wrong += [field.invalid(path, name, why) for why in checks.qualified(name)]
        if "/" not in name and name not in _FINALIZERS:
            why = "name is neither a standard finalizer name nor is it fully qualified"
            wrong.append(field.invalid(path, name, why))
    return wrong


def _validate_status(obj: Obj, old: Obj) -> Errors:
    phase, deleting = (obj.get("status") or {}).get("phase"), obj["metadata"].get("deletionTimestamp")
    if not deleting and phase != "Active":
        return [field.invalid("status.Phase", phase, "may only be 'Active' if `deletionTimestamp` is empty")]
    if deleting and phase != "Terminating":
        return [field.invalid("status.Phase", phase, "may only be 'Terminating' if `deletionTimestamp` is not empty")]
    return []


def _row(obj: Obj, now: datetime) -> list[Any]:
    return [obj["metadata"]["name"], (obj.get("status") or {}).get("phase", ""), columns.age(obj, now)]


KIND = Kind(
    group="",
    version="v1",
    kind="Namespace",
    plural="namespaces",
    namespaced=False,
    schema=Schema.of("io.k8s.api.core.v1.Namespace"),
    short_names=("ns",),
    verbs=("create", "delete", "get", "list", "patch", "update", "watch"),
    subresources=(Subresource("finalize", ("update",)), STATUS),
    priority=10,
    has_generation=False,
    validates_name_as="dns-label",
    columns=_COLUMNS,
    row=_row,
    selectable={"status.phase": lambda obj: str((obj.get("status") or {}).get("phase") or "")},
    default=_default,
    prepare_create=_prepare_create,
    prepare_update=_prepare_update,
    validate=_validate,
    validate_status=_validate_status,
)
