"""EndpointSlice in v1beta1, which components of v1.20 ask for: a view of what is kept in v1."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pocketkube.api.kinds.checks import Errors
from pocketkube.api.kinds.discovery import endpointslice as stored
from pocketkube.api.kinds.discovery._versions import to_v1, to_v1beta1
from pocketkube.api.schema import Schema

Obj = dict[str, Any]


def _validate(obj: Obj) -> Errors:
    return stored.KIND.validate(to_v1(obj)) if stored.KIND.validate else []


def _validate_update(obj: Obj, old: Obj) -> Errors:
    return stored.KIND.validate_update(to_v1(obj), to_v1(old)) if stored.KIND.validate_update else []


KIND = replace(
    stored.KIND,
    version="v1beta1",
    schema=Schema.of("io.k8s.api.discovery.v1beta1.EndpointSlice"),
    storage_version="v1",
    priority=4,
    validate=_validate,
    validate_update=_validate_update,
    convert=to_v1beta1,
)
