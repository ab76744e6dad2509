"""PodTemplate: a pod's form kept on its own."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pocketkube.api.kinds import checks, columns, workload
from pocketkube.api.kinds.checks import Errors
from pocketkube.api.kinds.kind import Kind
from pocketkube.api.kinds.podspec import validation
from pocketkube.api.kinds.podspec import warnings as podwarnings
from pocketkube.api.schema import Schema

Obj = dict[str, Any]

_COLUMNS = (
    columns.NAME,
    columns.text("Containers", "The names of the template's containers."),
    columns.text("Images", "The images of the template's containers."),
    columns.text("Pod Labels", "The labels of the template's pods."),
)


def _validate(obj: Obj) -> Errors:
    return validation.template(obj["template"], "template")


def _row(obj: Obj, now: datetime) -> list[Any]:
    template = obj.get("template") or {}
    labels = (template.get("metadata") or {}).get("labels")
    return [obj["metadata"]["name"], *columns.containers(template.get("spec")), columns.labels(labels)]


def _warnings(obj: Obj) -> list[str]:
    found = obj.get("template") or {}
    return podwarnings.of(found.get("spec") or {}, found.get("metadata") or {}, "template")


def _update_warnings(obj: Obj, old: Obj) -> list[str]:
    return [] if obj["metadata"].get("generation") == old["metadata"].get("generation") else _warnings(obj)


KIND = Kind(
    group="",
    version="v1",
    kind="PodTemplate",
    plural="podtemplates",
    namespaced=True,
    schema=Schema.of("io.k8s.api.core.v1.PodTemplate"),
    priority=10,
    columns=_COLUMNS,
    row=_row,
    default=workload.template,
    warnings=_warnings,
    update_warnings=_update_warnings,
    validate=_validate,
    validate_update=checks.on_update(_validate),
)
