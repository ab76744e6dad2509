"""ValidatingAdmissionPolicy: checks of requests, in CEL."""

from __future__ import annotations

from pocketkube.api.kinds.kind import STATUS, Kind
from pocketkube.api.schema import Schema

KIND = Kind(
    group="admissionregistration.k8s.io",
    version="v1",
    kind="ValidatingAdmissionPolicy",
    plural="validatingadmissionpolicies",
    namespaced=False,
    schema=Schema.of("io.k8s.api.admissionregistration.v1.ValidatingAdmissionPolicy"),
    categories=("api-extensions",),
    subresources=(STATUS,),
    priority=10,
)
