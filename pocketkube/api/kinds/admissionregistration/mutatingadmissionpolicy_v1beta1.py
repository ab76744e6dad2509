"""MutatingAdmissionPolicy in v1beta1: a view of what is kept in v1."""

from __future__ import annotations

from dataclasses import replace

from pocketkube.api.kinds.admissionregistration import mutatingadmissionpolicy
from pocketkube.api.schema import Schema

KIND = replace(
    mutatingadmissionpolicy.KIND,
    version="v1beta1",
    schema=Schema.of("io.k8s.api.admissionregistration.v1beta1.MutatingAdmissionPolicy"),
    storage_version="v1",
    priority=4,
)
