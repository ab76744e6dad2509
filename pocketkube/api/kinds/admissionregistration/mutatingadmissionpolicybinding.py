"""MutatingAdmissionPolicyBinding: where a mutating policy applies."""

from __future__ import annotations

from typing import Any

from pocketkube.api.kinds import checks, webhooks
from pocketkube.api.kinds.checks import Errors
from pocketkube.api.kinds.kind import Kind
from pocketkube.api.schema import Schema

Obj = dict[str, Any]


def _validate(obj: Obj) -> Errors:
    return webhooks.validate_binding(obj)


KIND = Kind(
    group="admissionregistration.k8s.io",
    version="v1",
    kind="MutatingAdmissionPolicyBinding",
    plural="mutatingadmissionpolicybindings",
    namespaced=False,
    schema=Schema.of("io.k8s.api.admissionregistration.v1.MutatingAdmissionPolicyBinding"),
    categories=("api-extensions",),
    priority=10,
    columns=webhooks.POLICY_BINDING_COLUMNS,
    row=webhooks.binding_row,
    default=webhooks.default_binding,
    validate=_validate,
    validate_update=checks.on_update(_validate),
)
