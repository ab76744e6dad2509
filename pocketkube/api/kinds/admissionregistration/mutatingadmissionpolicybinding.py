"""MutatingAdmissionPolicyBinding: where a mutating policy applies."""

from __future__ import annotations

from pocketkube.api.kinds.kind import Kind
from pocketkube.api.schema import Schema

KIND = Kind(
    group="admissionregistration.k8s.io",
    version="v1",
    kind="MutatingAdmissionPolicyBinding",
    plural="mutatingadmissionpolicybindings",
    namespaced=False,
    schema=Schema.of("io.k8s.api.admissionregistration.v1.MutatingAdmissionPolicyBinding"),
    categories=("api-extensions",),
    priority=10,
)
