"""MutatingWebhookConfiguration: who is asked to change requests."""

from __future__ import annotations

from pocketkube.api.kinds.kind import Kind
from pocketkube.api.schema import Schema

KIND = Kind(
    group="admissionregistration.k8s.io",
    version="v1",
    kind="MutatingWebhookConfiguration",
    plural="mutatingwebhookconfigurations",
    namespaced=False,
    schema=Schema.of("io.k8s.api.admissionregistration.v1.MutatingWebhookConfiguration"),
    categories=("api-extensions",),
    priority=10,
)
