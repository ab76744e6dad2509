"""The sets of variables that expressions may see, and what their types are. `name` is of any type, `name:Type` of one of TYPES.

A set is a tuple, for which an environment is made once.
"""

from __future__ import annotations

from typing import Any

from pocketkube.api.cel.library.function import AUTHORIZER, OPAQUE
from pocketkube.api.cel.schematypes import OPAQUE_TYPE, PLAIN

Obj = dict[str, Any]
Composed = tuple[tuple[str, str], ...]  # (name, type) of a policy's own variables

CONDITION = ("object", "oldObject", "request:AdmissionRequest", "authorizer:Authorizer")
POLICY = (*CONDITION, "params", "namespaceObject:Namespace", "variables")
SCHEMA = ("self", "oldSelf")
AUTHORIZATION = ("request:SubjectAccessReviewSpec",)
CLAIMS, USER = ("claims:Claims",), ("user:UserInfo",)

_TEXT: Obj = {"type": "string"}
_BOOL: Obj = {"type": "boolean"}
_NUMBER: Obj = {"type": "integer"}
_TIME: Obj = {"type": "string", "format": "date-time"}
_ANY: Obj = {}


def _list(items: Obj) -> Obj:
    return {"type": "array", "items": items}


def _map(values: Obj) -> Obj:
    return {"type": "object", "additionalProperties": values}


def _object(**properties: Obj) -> Obj:
    return {"type": "object", "properties": properties, PLAIN: True}


_USER = _object(username=_TEXT, uid=_TEXT, groups=_list(_TEXT), extra=_map(_list(_TEXT)))
_KIND = _object(group=_TEXT, version=_TEXT, kind=_TEXT)
_RESOURCE = _object(group=_TEXT, version=_TEXT, resource=_TEXT)
_REQUEST = _object(
    uid=_TEXT, kind=_KIND, resource=_RESOURCE, subResource=_TEXT, requestKind=_KIND, requestResource=_RESOURCE,
    requestSubResource=_TEXT, name=_TEXT, namespace=_TEXT, operation=_TEXT, userInfo=_USER, dryRun=_BOOL, options=_ANY,
)  # fmt: skip
_METADATA = _object(
    name=_TEXT, generateName=_TEXT, namespace=_TEXT, labels=_map(_TEXT), annotations=_map(_TEXT), UID=_TEXT,
    creationTimestamp=_TIME, deletionGracePeriodSeconds=_NUMBER, deletionTimestamp=_TIME, generation=_NUMBER,
    resourceVersion=_TEXT, finalizers=_list(_TEXT),
)  # fmt: skip
_NAMESPACE_CONDITION = _object(status=_TEXT, type=_TEXT, lastTransitionTime=_TIME, message=_TEXT, reason=_TEXT)
_NAMESPACE = _object(
    metadata=_METADATA,
    spec=_object(finalizers=_list(_TEXT)),
    status=_object(conditions=_list(_NAMESPACE_CONDITION), phase=_TEXT),
)
_REQUIREMENT = _object(key=_TEXT, operator=_TEXT, values=_list(_TEXT))
_SELECTOR = _object(rawSelector=_TEXT, requirements=_list(_REQUIREMENT))
_ACCESS = _object(
    resourceAttributes=_object(
        namespace=_TEXT, verb=_TEXT, group=_TEXT, version=_TEXT, resource=_TEXT, subresource=_TEXT, name=_TEXT,
        fieldSelector=_SELECTOR, labelSelector=_SELECTOR,
    ),
    nonResourceAttributes=_object(path=_TEXT, verb=_TEXT),
    user=_TEXT,
    groups=_list(_TEXT),
    extra=_map(_list(_TEXT)),
    uid=_TEXT,
)  # fmt: skip

TYPES: dict[str, Obj] = {
    "AdmissionRequest": _REQUEST,
    "Authorizer": {OPAQUE_TYPE: AUTHORIZER},
    "Claims": _map(_ANY),
    "Namespace": _NAMESPACE,
    "SubjectAccessReviewSpec": _ACCESS,
    "UserInfo": _USER,
}


def of_policy(*, params: bool, authorizer: bool = True) -> tuple[str, ...]:
    """What expressions of a policy see: `params` where it has a kind of parameters; messages see no authorizer."""
    left_out = (() if params else ("params",)) + (() if authorizer else ("authorizer:Authorizer",))
    return tuple(entry for entry in POLICY if entry not in left_out)


def typed(variables: tuple[str, ...], composed: Composed | None = None) -> dict[str, str | Obj]:
    """Each variable's name with its type, as Checker takes them."""
    found: dict[str, str | Obj] = {}
    for entry in variables:
        name, _, kind = entry.partition(":")
        found[name] = TYPES[kind] if kind else "dyn"
    if composed is not None:
        found["variables"] = _object(**{name: schema_of(text) for name, text in composed})
    return found


def schema_of(text: str) -> Obj:
    """The schema of a type as programs name theirs; {} where anything may come."""
    if text in OPAQUE:
        return {OPAQUE_TYPE: text}
    if text.startswith("list<"):
        return _list(schema_of(text[5:-1]))
    if text.startswith("map<string, "):
        return _map(schema_of(text[12:-1]))
    return _SCHEMAS.get(text, _ANY)


_SCHEMAS = {
    "bool": _BOOL,
    "int": _NUMBER,
    "double": {"type": "number"},
    "string": _TEXT,
    "bytes": {"type": "string", "format": "byte"},
    "timestamp": _TIME,
    "duration": {"type": "string", "format": "duration"},
}
