"""CustomResourceDefinition: a kind that users add."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pocketkube.api.kinds import columns, workload
from pocketkube.api.kinds.apiextensions.customresourcedefinition import form, validation
from pocketkube.api.kinds.kind import STATUS, Kind
from pocketkube.api.schema import Schema

Obj = dict[str, Any]

_COLUMNS = (columns.NAME, columns.date("Created At", "When it was created."))


def _default(obj: Obj) -> None:
    spec = workload.spec_of(obj)
    form.canonical(spec)
    named = spec.setdefault("names", {})
    kind = named.get("kind") or ""
    if kind and not named.get("singular"):
        named["singular"] = kind.lower()
    if kind and not named.get("listKind"):
        named["listKind"] = f"{kind}List"
    if not (spec.get("conversion") or {}).get("strategy"):
        spec["conversion"] = {**(spec.get("conversion") or {}), "strategy": "None"}
    webhook = spec["conversion"].get("webhook") or {}
    if (service := (webhook.get("clientConfig") or {}).get("service")) is not None:
        workload.fill(service, port=443)


def _prepare_create(obj: Obj) -> None:
    obj["status"] = {"conditions": [], "acceptedNames": {"plural": "", "kind": ""}, "storedVersions": _stored(obj)}


def _stored(obj: Obj) -> list[str]:
    return [version.get("name", "") for version in obj["spec"].get("versions") or () if version.get("storage")][:1]


def _prepare_update(obj: Obj, old: Obj) -> None:
    """A version that becomes the stored one is remembered: objects may be kept in it from now on."""
    status = obj.get("status") or {}
    kept = status.get("storedVersions") or []
    added = [name for name in _stored(obj) if name not in kept]
    if added:
        obj["status"] = {**status, "storedVersions": [*kept, *added]}


def _row(obj: Obj, now: datetime) -> list[Any]:
    return [obj["metadata"]["name"], obj["metadata"].get("creationTimestamp", "")]


KIND = Kind(
    group="apiextensions.k8s.io",
    version="v1",
    kind="CustomResourceDefinition",
    plural="customresourcedefinitions",
    namespaced=False,
    schema=Schema.of("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinition"),
    short_names=("crd", "crds"),
    categories=("api-extensions",),
    subresources=(STATUS,),
    storage_prefix="apiextensions.k8s.io/customresourcedefinitions",
    priority=10,
    columns=_COLUMNS,
    row=_row,
    default=_default,
    prepare_create=_prepare_create,
    prepare_update=_prepare_update,
    resets={"status": ("spec", "metadata.labels", "metadata.annotations", "metadata.ownerReferences")},
    validate=validation.validate,
    validate_update=validation.validate_update,
    validate_status=validation.validate_status,
)
