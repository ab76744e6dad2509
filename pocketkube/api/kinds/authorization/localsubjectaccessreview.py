"""LocalSubjectAccessReview: may somebody do this in the namespace?"""

from __future__ import annotations

from pocketkube.api.kinds import access
from pocketkube.api.kinds.kind import Kind
from pocketkube.api.schema import Schema

KIND = Kind(
    group="authorization.k8s.io",
    version="v1",
    kind="LocalSubjectAccessReview",
    plural="localsubjectaccessreviews",
    namespaced=True,
    schema=Schema.of("io.k8s.api.authorization.v1.LocalSubjectAccessReview"),
    verbs=("create",),
    priority=10,
    has_generation=False,
    validate=access.validate_local,
)
