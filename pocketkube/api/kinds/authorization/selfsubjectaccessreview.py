"""SelfSubjectAccessReview: may I do this?"""

from __future__ import annotations

from pocketkube.api.kinds import access
from pocketkube.api.kinds.kind import Kind
from pocketkube.api.schema import Schema

KIND = Kind(
    group="authorization.k8s.io",
    version="v1",
    kind="SelfSubjectAccessReview",
    plural="selfsubjectaccessreviews",
    namespaced=False,
    schema=Schema.of("io.k8s.api.authorization.v1.SelfSubjectAccessReview"),
    verbs=("create",),
    priority=10,
    has_generation=False,
    validate=access.validate_self,
)
