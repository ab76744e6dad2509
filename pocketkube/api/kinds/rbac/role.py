"""Role: rights within a namespace."""

from __future__ import annotations

from typing import Any

from pocketkube.api.kinds import checks, rules
from pocketkube.api.kinds.checks import Errors
from pocketkube.api.kinds.kind import Kind
from pocketkube.api.schema import Schema

Obj = dict[str, Any]


def _validate(obj: Obj) -> Errors:
    return rules.rules(obj.get("rules") or [], namespaced=True)


KIND = Kind(
    group="rbac.authorization.k8s.io",
    version="v1",
    kind="Role",
    plural="roles",
    namespaced=True,
    schema=Schema.of("io.k8s.api.rbac.v1.Role"),
    priority=10,
    has_generation=False,
    validates_name_as="path-segment",
    create_on_update=True,
    columns=rules.ROLE_COLUMNS,
    row=rules.role_row,
    validate=_validate,
    validate_update=checks.on_update(_validate),
)
