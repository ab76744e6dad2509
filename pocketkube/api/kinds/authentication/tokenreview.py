"""TokenReview: whose token is this?"""

from __future__ import annotations

from pocketkube.api.kinds.kind import Kind
from pocketkube.api.schema import Schema

KIND = Kind(
    group="authentication.k8s.io",
    version="v1",
    kind="TokenReview",
    plural="tokenreviews",
    namespaced=False,
    schema=Schema.of("io.k8s.api.authentication.v1.TokenReview"),
    verbs=("create",),
    priority=10,
    has_generation=False,
)
