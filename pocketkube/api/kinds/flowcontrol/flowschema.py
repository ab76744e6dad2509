"""FlowSchema: which requests go to which priority level."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pocketkube.api.kinds import checks, columns, workload
from pocketkube.api.kinds.checks import Errors
from pocketkube.api.kinds.kind import STATUS, Kind
from pocketkube.api.meta import field, objects
from pocketkube.api.schema import Schema

Obj = dict[str, Any]

_COLUMNS = (
    columns.NAME,
    columns.text("PriorityLevel", "The level that matching requests get."),
    columns.number("MatchingPrecedence", "Which schema comes first: the lowest."),
    columns.text("DistinguisherMethod", "How flows are told apart."),
    columns.AGE,
    columns.text("MissingPL", "Whether the level is missing."),
)


def _default(obj: Obj) -> None:
    spec = workload.spec_of(obj)
    if not spec.get("matchingPrecedence"):
        spec["matchingPrecedence"] = 1000
    for rule in spec.get("rules") or ():
        for resource in rule.get("resourceRules") or ():
            if resource.get("namespaces") is None and not resource.get("clusterScope"):
                resource["namespaces"] = []


def _validate(obj: Obj) -> Errors:
    spec = obj["spec"]
    wrong: Errors = []
    precedence = spec["matchingPrecedence"]
    if precedence <= 0:
        wrong.append(field.invalid("spec.matchingPrecedence", precedence, "must be a positive value"))
    if precedence > 10000:
        wrong.append(field.invalid("spec.matchingPrecedence", precedence, "must not be greater than 10000"))
    if precedence == 1 and obj["metadata"].get("name") != "exempt":
        why = "only the schema named 'exempt' may have matchingPrecedence 1"
        wrong.append(field.invalid("spec.matchingPrecedence", precedence, why))
    if (method := spec.get("distinguisherMethod")) is not None and method.get("type") not in ("ByNamespace", "ByUser"):
        wrong.append(field.not_supported("spec.distinguisherMethod", method.get("type"), ["ByNamespace", "ByUser"]))
    name = (spec.get("priorityLevelConfiguration") or {}).get("name", "")
    if not name:
        wrong.append(field.required("spec.priorityLevelConfiguration.name", "must reference a priority level"))
    wrong += [
        field.invalid("spec.priorityLevelConfiguration.name", name, why) for why in checks.dns_subdomain(name) if name
    ]
    for at, rule in enumerate(spec.get("rules") or ()):
        wrong += _rule(rule, f"spec.rules[{at}]")
    return wrong


def _rule(rule: Obj, path: str) -> Errors:
    wrong: Errors = []
    if not rule.get("subjects"):
        wrong.append(field.required(f"{path}.subjects", "subjects must contain at least one value"))
    for at, subject in enumerate(rule.get("subjects") or ()):
        kinds = ["Group", "ServiceAccount", "User"]
        if subject.get("kind") not in kinds:
            wrong.append(field.not_supported(f"{path}.subjects[{at}].kind", subject.get("kind"), kinds))
    if not rule.get("resourceRules") and not rule.get("nonResourceRules"):
        why = "at least one of resourceRules and nonResourceRules has to be non-empty"
        wrong.append(field.required(path, why))
    for at, resource in enumerate(rule.get("resourceRules") or ()):
        where = f"{path}.resourceRules[{at}]"
        for name, words in (("verbs", "verbs"), ("apiGroups", "api groups"), ("resources", "resources")):
            if not resource.get(name):
                wrong.append(field.required(f"{where}.{name}", f"resource rules must supply at least one {words[:-1]}"))
        if not resource.get("namespaces") and not resource.get("clusterScope"):
            why = "resource rules that are not cluster scoped must supply at least one namespace"
            wrong.append(field.required(f"{where}.namespaces", why))
    return wrong


def _validate_update(obj: Obj, old: Obj) -> Errors:
    return _validate(obj)


def _row(obj: Obj, now: datetime) -> list[Any]:
    spec = obj["spec"]
    dangling = objects.condition(obj, "Dangling")
    return [
        obj["metadata"]["name"],
        (spec.get("priorityLevelConfiguration") or {}).get("name", ""),
        spec.get("matchingPrecedence", 0),
        (spec.get("distinguisherMethod") or {}).get("type") or columns.NONE,
        columns.age(obj, now),
        dangling.get("status", "?") if dangling else "?",
    ]


KIND = Kind(
    group="flowcontrol.apiserver.k8s.io",
    version="v1",
    kind="FlowSchema",
    plural="flowschemas",
    namespaced=False,
    schema=Schema.of("io.k8s.api.flowcontrol.v1.FlowSchema"),
    subresources=(STATUS,),
    priority=10,
    columns=_COLUMNS,
    row=_row,
    default=_default,
    prepare_create=workload.begins(),
    validate=_validate,
    validate_update=_validate_update,
)
