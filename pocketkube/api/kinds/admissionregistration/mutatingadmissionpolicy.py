"""MutatingAdmissionPolicy: changes to requests, in CEL."""

from __future__ import annotations

from pocketkube.api.kinds.kind import Kind
from pocketkube.api.schema import Schema

KIND = Kind(
    group="admissionregistration.k8s.io",
    version="v1",
    kind="MutatingAdmissionPolicy",
    plural="mutatingadmissionpolicies",
    namespaced=False,
    schema=Schema.of("io.k8s.api.admissionregistration.v1.MutatingAdmissionPolicy"),
    categories=("api-extensions",),
    priority=10,
)
