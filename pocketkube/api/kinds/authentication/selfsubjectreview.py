"""SelfSubjectReview: who am I?"""

from __future__ import annotations

from pocketkube.api.kinds.kind import Kind
from pocketkube.api.schema import Schema

KIND = Kind(
    group="authentication.k8s.io",
    version="v1",
    kind="SelfSubjectReview",
    plural="selfsubjectreviews",
    namespaced=False,
    schema=Schema.of("io.k8s.api.authentication.v1.SelfSubjectReview"),
    verbs=("create",),
    priority=10,
    has_generation=False,
)
