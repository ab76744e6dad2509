"""ClusterRole: rights anywhere, possibly gathered from other roles."""

from __future__ import annotations

from typing import Any

from pocketkube.api.kinds import checks, rules
from pocketkube.api.kinds.checks import Errors
from pocketkube.api.kinds.kind import Kind
from pocketkube.api.meta import field
from pocketkube.api.schema import Schema

Obj = dict[str, Any]


def _validate(obj: Obj) -> Errors:
    wrong = rules.rules(obj.get("rules") or [], namespaced=False)
    if (aggregation := obj.get("aggregationRule")) is not None:
        path = "aggregationRule.clusterRoleSelectors"
        found = aggregation.get("clusterRoleSelectors") or []
        if not found:
            wrong.append(
                field.required(path, "at least one clusterRoleSelector required if aggregationRule is non-nil")
            )
        for at, selector in enumerate(found):
            wrong += checks.selector(f"{path}[{at}]", selector)
    return wrong


KIND = Kind(
    group="rbac.authorization.k8s.io",
    version="v1",
    kind="ClusterRole",
    plural="clusterroles",
    namespaced=False,
    schema=Schema.of("io.k8s.api.rbac.v1.ClusterRole"),
    priority=10,
    has_generation=False,
    validates_name_as="path-segment",
    create_on_update=True,
    columns=rules.ROLE_COLUMNS,
    row=rules.role_row,
    validate=_validate,
    validate_update=checks.on_update(_validate),
)
