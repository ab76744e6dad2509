"""TokenReview: whose token is this?"""

from __future__ import annotations

from typing import Any

from pocketkube.api.kinds.checks import Errors
from pocketkube.api.kinds.kind import Kind
from pocketkube.api.meta import field
from pocketkube.api.schema import Schema

Obj = dict[str, Any]


def _validate(obj: Obj) -> Errors:
    return [] if (obj.get("spec") or {}).get("token") else [field.required("spec.token")]


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
    validate=_validate,
)
