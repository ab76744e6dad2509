"""LeaseCandidate: who would like to hold a Lease."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from pocketkube.api.kinds import columns
from pocketkube.api.kinds.checks import Errors, immutable
from pocketkube.api.kinds.kind import Kind
from pocketkube.api.meta import field
from pocketkube.api.schema import Schema

Obj = dict[str, Any]

_COLUMNS = (
    columns.NAME,
    columns.text("LeaseName", "The lease it would like to hold."),
    columns.text("BinaryVersion", "The version that runs."),
    columns.text("EmulationVersion", "The version it behaves as."),
    columns.text("Strategy", "How the holder is chosen."),
    columns.AGE,
)


def _validate(obj: Obj) -> Errors:
    spec = obj.get("spec") or {}
    wrong = [field.required(f"spec.{name}") for name in ("leaseName", "binaryVersion") if not spec.get(name)]
    versions = {name: spec[name] for name in ("emulationVersion", "binaryVersion") if spec.get(name)}
    known = {name: found for name, text in versions.items() if (found := _version(text)) is not None}
    wrong += [
        field.invalid(f"spec.{name}", text, "must be a valid semantic version")
        for name, text in versions.items()
        if name not in known
    ]
    if len(known) == 2 and known["binaryVersion"] < known["emulationVersion"]:
        why = "must be greater than or equal to `emulationVersion`"
        wrong.append(field.invalid("spec.binaryVersion", spec["binaryVersion"], why))
    if not spec.get("strategy"):
        wrong.append(field.required("spec.strategy"))
    if spec.get("strategy") == "OldestEmulationVersion" and not spec.get("emulationVersion"):
        why = "must be specified when `strategy` is 'OldestEmulationVersion'"
        wrong.append(field.required("spec.emulationVersion", why))
    return wrong


def _version(text: str) -> tuple[int, ...] | None:
    """The numbers of a semantic version; None for what is none."""
    match = _SEMANTIC.fullmatch(text)
    return tuple(map(int, match.groups())) if match else None


_SEMANTIC = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?")


def _validate_update(obj: Obj, old: Obj) -> Errors:
    new, before = obj.get("spec") or {}, old.get("spec") or {}
    return _validate(obj) + immutable("spec.leaseName", new.get("leaseName"), before.get("leaseName"))


def _row(obj: Obj, now: datetime) -> list[Any]:
    spec = obj.get("spec") or {}
    cells = [spec.get(name, "") for name in ("leaseName", "binaryVersion", "emulationVersion", "strategy")]
    return [obj["metadata"]["name"], *cells, columns.age(obj, now)]


KIND = Kind(
    group="coordination.k8s.io",
    version="v1beta1",
    kind="LeaseCandidate",
    plural="leasecandidates",
    namespaced=True,
    schema=Schema.of("io.k8s.api.coordination.v1beta1.LeaseCandidate"),
    priority=4,
    has_generation=False,
    create_on_update=True,
    columns=_COLUMNS,
    row=_row,
    validate=_validate,
    validate_update=_validate_update,
)
