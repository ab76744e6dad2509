"""ValidatingWebhookConfiguration: who is asked to check requests."""

from __future__ import annotations

from pocketkube.api.kinds.kind import Kind
from pocketkube.api.schema import Schema

KIND = Kind(
    group="admissionregistration.k8s.io",
    version="v1",
    kind="ValidatingWebhookConfiguration",
    plural="validatingwebhookconfigurations",
    namespaced=False,
    schema=Schema.of("io.k8s.api.admissionregistration.v1.ValidatingWebhookConfiguration"),
    categories=("api-extensions",),
    priority=10,
)
