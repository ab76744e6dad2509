"""The spec of a PersistentVolumeClaim, in an object of its own or in a template."""

from __future__ import annotations

from typing import Any

from pocketkube.api.kinds import checks
from pocketkube.api.kinds.checks import Errors
from pocketkube.api.meta import field

Obj = dict[str, Any]

ACCESS_MODES = ["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"]
VOLUME_MODES = ["Block", "Filesystem"]


def spec(spec: Obj, path: str) -> Errors:
    wrong = access_modes(spec, path)
    wrong += checks.selector(f"{path}.selector", spec.get("selector"))
    storage = ((spec.get("resources") or {}).get("requests") or {}).get("storage")
    if storage is None:
        wrong.append(field.required(f"{path}.resources[storage]"))
    else:
        wrong += checks.quantity_text(f"{path}.resources[storage]", storage)
        if not wrong:
            wrong += checks.positive_quantity(f"{path}.resources[storage]", storage)
    if name := spec.get("storageClassName"):
        wrong += [field.invalid(f"{path}.storageClassName", name, why) for why in checks.dns_subdomain(name)]
    if (mode := spec.get("volumeMode")) not in (None, *VOLUME_MODES):
        wrong.append(field.not_supported(f"{path}.volumeMode", mode, VOLUME_MODES))
    for name in ("dataSource", "dataSourceRef"):
        if (source := spec.get(name)) is not None:
            wrong += _source(source, f"{path}.{name}")
    return wrong


def access_modes(spec: Obj, path: str) -> Errors:
    """At least one, all known, ReadWriteOncePod alone."""
    modes = spec.get("accessModes") or []
    if not modes:
        return [field.required(f"{path}.accessModes", "at least 1 access mode is required")]
    wrong = [
        field.not_supported(f"{path}.accessModes", mode, ACCESS_MODES) for mode in modes if mode not in ACCESS_MODES
    ]
    if "ReadWriteOncePod" in modes and len(modes) > 1:
        wrong.append(field.forbidden(f"{path}.accessModes", "may not use ReadWriteOncePod with other access modes"))
    return wrong


def _source(source: Obj, path: str) -> Errors:
    wrong = [field.required(f"{path}.{name}") for name in ("name", "kind") if not source.get(name)]
    if not source.get("apiGroup") and source.get("kind") not in (None, "", "PersistentVolumeClaim"):
        why = "must be 'PersistentVolumeClaim' when referencing the default apiGroup"
        wrong.append(field.invalid(path, source.get("kind"), why))
    return wrong


def warnings(spec: Obj, path: str) -> list[str]:
    """Storage in fractions of bytes."""
    from pocketkube.api.kinds.podspec.warnings import fractions

    resources = spec.get("resources") or {}
    parts = ("requests", "limits")
    return [w for p in parts for w in fractions(resources.get(p) or {}, f"{path}.resources.{p}", ("storage",))]
