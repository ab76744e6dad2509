"""Binding ties a pod to a node: the older way, by a POST to the namespace."""

from __future__ import annotations

from typing import Any

from pocketkube.api.kinds.checks import Errors
from pocketkube.api.kinds.kind import Kind
from pocketkube.api.meta import field
from pocketkube.api.schema import Schema

Obj = dict[str, Any]


def _validate(obj: Obj) -> Errors:
    target = obj.get("target") or {}
    wrong: Errors = []
    if target.get("kind") not in (None, "", "Node"):
        wrong.append(field.not_supported("target.kind", target["kind"], ["Node", "<empty>"]))
    if not target.get("name"):
        wrong.append(field.required("target.name"))
    return wrong


KIND = Kind(
    group="",
    version="v1",
    kind="Binding",
    plural="bindings",
    namespaced=True,
    schema=Schema.of("io.k8s.api.core.v1.Binding"),
    verbs=("create",),
    priority=10,
    has_generation=False,
    validate=_validate,
)
