"""SelfSubjectRulesReview: what may I do in a namespace?"""

from __future__ import annotations

from pocketkube.api.kinds.kind import Kind
from pocketkube.api.schema import Schema

KIND = Kind(
    group="authorization.k8s.io",
    version="v1",
    kind="SelfSubjectRulesReview",
    plural="selfsubjectrulesreviews",
    namespaced=False,
    schema=Schema.of("io.k8s.api.authorization.v1.SelfSubjectRulesReview"),
    verbs=("create",),
    priority=10,
    has_generation=False,
)
