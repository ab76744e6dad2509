"""A CustomResourceDefinition becomes Kinds, one a served version: what it says about names, schema, subresources and columns."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from apiserver.registry import scaling
from apiserver.registry.columns import compile_path, find, table_of
from pocketkube.api.kinds.kind import ALL_VERBS, SCALE, STATUS, Kind, ScalePaths, Subresource
from pocketkube.api.meta import errors
from pocketkube.api.meta.versions import order
from pocketkube.api.schema import Schema, structural

Obj = dict[str, Any]
Converter = Callable[[Sequence[Obj], str], Awaitable[list[Obj]]]

# While a definition goes, its objects can still be changed (a finalizer has to go), but none are added.
_TERMINATING = tuple(verb for verb in ALL_VERBS if verb != "create")
_ANYTHING: Obj = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


def kinds_of(crd: Obj, converter: Converter | None = None) -> list[Kind]:
    """The kinds of the served versions and of the stored one, which may not be served: see `served`.

    `converter` is asked for other versions where the CRD names a webhook."""
    versions = crd["spec"]["versions"]
    stored = next(v["name"] for v in versions if v.get("storage"))
    settle = _settling(crd["spec"]["group"], versions)
    return [
        _kind(crd, version, stored, converter, settle)
        for version in versions
        if version.get("served") or version.get("storage")
    ]


def served(crd: Obj) -> set[str]:
    return {version["name"] for version in crd["spec"]["versions"] if version.get("served")}


def _settling(group: str, versions: list[Obj]) -> Callable[[Obj], None]:
    """Objects are kept as a version's schema was when they were written: fields that it dropped go, defaults that it
    got are filled in. Versions that are no longer served are known too."""
    schemas = {f"{group}/{version['name']}": _schema(version) for version in versions}

    def settle(obj: Obj) -> None:
        schema = schemas.get(obj.get("apiVersion", ""))
        if schema is None:
            return
        try:
            schema.decode(obj, mode="Ignore")
        except errors.BadRequest:  # written to the store by something that checks nothing
            structural.mend(schema, obj)
            schema.decode(obj, mode="Ignore")
        schema.default(obj)

    return settle


def _schema(version: Obj) -> Schema:
    return Schema.from_openapi((version.get("schema") or {}).get("openAPIV3Schema") or _ANYTHING)


def _kind(crd: Obj, version: Obj, stored: str, converter: Converter | None, settle: Callable[[Obj], None]) -> Kind:
    spec = crd["spec"]
    names = accepted_names(crd)
    subresources = version.get("subresources") or {}
    columns, row = table_of(version.get("additionalPrinterColumns") or [])
    scale = _scale(subresources.get("scale"))
    schema = _schema(version)
    several = len(spec["versions"]) > 1 or len((crd.get("status") or {}).get("storedVersions") or ()) > 1
    return Kind(
        group=spec["group"],
        version=version["name"],
        kind=names["kind"],
        plural=names["plural"],
        singular=names["singular"],
        list_kind=names["listKind"],
        short_names=tuple(names.get("shortNames") or ()),
        categories=tuple(names.get("categories") or ()),
        namespaced=spec.get("scope", "Namespaced") == "Namespaced",
        verbs=_TERMINATING if "deletionTimestamp" in crd["metadata"] else ALL_VERBS,
        schema=schema,
        subresources=_subresources(subresources),
        storage_version=stored,
        columns=columns,
        row=row,
        selectable=_selectable(spec["versions"] if version["name"] == stored else [version]),
        default=schema.default if _has_defaults(schema.raw) else None,
        settle=settle,
        prepare_create=_drop_status if "status" in subresources else None,
        validate=(lambda obj: scaling.faults(scale, obj)) if scale else None,
        validate_update=(lambda obj, _: scaling.faults(scale, obj)) if scale else None,
        validate_status=(lambda obj, _: scaling.status_faults(scale, obj)) if scale else None,
        scale=scale,
        convert=_convert if converter is None else None,
        converter=converter,
        rereads=several or crd["metadata"].get("generation", 1) > 1,
        deprecation=_deprecation(spec, version, names["kind"]),
        custom=True,
    )


def accepted_names(crd: Obj) -> Obj:
    """The names that it is served under; what its spec leaves out is derived."""
    names = (crd.get("status") or {}).get("acceptedNames") or {}
    names = {name: value for name, value in names.items() if value} if names.get("plural") else crd["spec"]["names"]
    return {"singular": names["kind"].lower(), "listKind": f"{names['kind']}List", **names}


def _deprecation(spec: Obj, version: Obj, kind: str) -> str:
    if not version.get("deprecated"):
        return ""
    if warning := version.get("deprecationWarning"):
        return str(warning)
    old = f"{spec['group']}/{version['name']} {kind} is deprecated"
    better = _successor(spec["versions"], version["name"])
    return f"{old}; use {spec['group']}/{better} {kind}" if better else old


def _successor(versions: list[Obj], deprecated: str) -> str:
    """The version to be preferred of those that are served, not deprecated and newer; "" if there is none."""
    lasting = [version["name"] for version in versions if version.get("served") and not version.get("deprecated")]
    newer = [name for name in lasting if order(name) < order(deprecated)]
    return min(newer, key=order, default="")


def _subresources(found: Obj) -> tuple[Subresource, ...]:
    return tuple(sub for name, sub in (("status", STATUS), ("scale", SCALE)) if name in found)


def _scale(paths: Obj | None) -> ScalePaths | None:
    if not paths:
        return None
    return ScalePaths(
        spec_replicas=paths.get("specReplicasPath", ".spec.replicas").lstrip("."),
        status_replicas=paths.get("statusReplicasPath", ".status.replicas").lstrip("."),
        selector=(paths.get("labelSelectorPath") or "").lstrip("."),
    )


def _selectable(versions: list[Obj]) -> dict[str, Callable[[Obj], str]]:
    """The stored version knows the fields of all: by its objects they are found."""
    paths = [field["jsonPath"] for version in versions for field in version.get("selectableFields") or ()]
    return {path.lstrip("."): _getter(path) for path in paths}


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
