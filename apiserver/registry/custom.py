"""A CustomResourceDefinition becomes Kinds, one a served version: what it says about names, schema, subresources and columns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from apiserver.registry.columns import compile_path, find, table_of
from pocketkube.api.kinds.kind import SCALE, STATUS, Kind, ScalePaths, Subresource
from pocketkube.api.schema import Schema

Obj = dict[str, Any]

_ANYTHING: Obj = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


def kinds_of(crd: Obj) -> list[Kind]:
    """The kinds of the served versions and of the stored one, which may not be served: see `served`."""
    versions = crd["spec"]["versions"]
    stored = next(v["name"] for v in versions if v.get("storage"))
    return [_kind(crd, version, stored) for version in versions if version.get("served") or version.get("storage")]


def served(crd: Obj) -> set[str]:
    return {version["name"] for version in crd["spec"]["versions"] if version.get("served")}


def _kind(crd: Obj, version: Obj, stored: str) -> Kind:
    spec = crd["spec"]
    names = (crd.get("status") or {}).get("acceptedNames") or spec["names"]
    subresources = version.get("subresources") or {}
    columns, row = table_of(version.get("additionalPrinterColumns") or [])
    schema = Schema.from_openapi((version.get("schema") or {}).get("openAPIV3Schema") or _ANYTHING)
    return Kind(
        group=spec["group"],
        version=version["name"],
        kind=names["kind"],
        plural=names["plural"],
        singular=names.get("singular") or names["kind"].lower(),
        list_kind=names.get("listKind") or f"{names['kind']}List",
        short_names=tuple(names.get("shortNames") or ()),
        categories=tuple(names.get("categories") or ()),
        namespaced=spec.get("scope", "Namespaced") == "Namespaced",
        schema=schema,
        subresources=_subresources(subresources),
        storage_version=stored,
        columns=columns,
        row=row,
        selectable=_selectable(version.get("selectableFields") or []),
        default=schema.default if _has_defaults(schema.raw) else None,
        prepare_create=_drop_status if "status" in subresources else None,
        scale=_scale(subresources.get("scale")),
        convert=_convert,
        custom=True,
    )


def _subresources(found: Obj) -> tuple[Subresource, ...]:
    return tuple(sub for name, sub in (("scale", SCALE), ("status", STATUS)) if name in found)


def _scale(paths: Obj | None) -> ScalePaths | None:
    if not paths:
        return None
    return ScalePaths(
        spec_replicas=paths.get("specReplicasPath", ".spec.replicas").lstrip("."),
        status_replicas=paths.get("statusReplicasPath", ".status.replicas").lstrip("."),
        selector=(paths.get("labelSelectorPath") or "").lstrip("."),
    )


def _selectable(fields: list[Obj]) -> dict[str, Callable[[Obj], str]]:
    return {f["jsonPath"].lstrip("."): _getter(f["jsonPath"]) for f in fields}


def _getter(path: str) -> Callable[[Obj], str]:
    steps = compile_path(path)

    def get(obj: Obj) -> str:
        found = find(steps, obj)
        if not found:
            return ""
        return str(found[0]).lower() if isinstance(found[0], bool) else str(found[0])

    return get


def _has_defaults(raw: Any) -> bool:
    if isinstance(raw, dict):
        return "default" in raw or any(_has_defaults(value) for value in raw.values())
    return isinstance(raw, list) and any(_has_defaults(value) for value in raw)


def _drop_status(obj: Obj) -> None:
    obj.pop("status", None)


def _convert(obj: Obj, version: str) -> Obj:
    """Strategy None: nothing but the version changes."""
    group = obj["apiVersion"].rpartition("/")[0]
    return {**obj, "apiVersion": f"{group}/{version}"}
