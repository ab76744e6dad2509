"""The file of --authorization-config: YAML in, the authorizers in their order out; or what is wrong."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from apiserver.configfile import read
from pocketkube.api.kinds import expressions
from pocketkube.api.meta import field
from pocketkube.api.meta import names as name_rules
from pocketkube.base import durations

Obj = dict[str, Any]

KIND = "AuthorizationConfiguration"
TYPES = ("ABAC", "AlwaysAllow", "AlwaysDeny", "Node", "RBAC", "Webhook")
_MANY = frozenset(("Webhook",))


@dataclass(frozen=True, kw_only=True, slots=True)
class Webhook:
    """`kubeconfig` "" is the pod's own service account. Times are in seconds."""

    kubeconfig: str
    version: str = "v1beta1"
    timeout: float = 30.0
    authorized_seconds: float = 300.0
    unauthorized_seconds: float = 30.0
    denies_on_failure: bool = False
    conditions: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Mode:
    """One authorizer: its type, and what it needs."""

    type: str
    webhook: Webhook | None = None
    policy_file: str = ""


def parse(text: str) -> tuple[Mode, ...]:
    """Raises ValueError with every mistake in the file."""
    entries = read(text, KIND).get("authorizers") or []
    wrong = list(_errors(entries))
    if wrong:
        raise ValueError("; ".join(str(e) for e in wrong))
    return tuple(Mode(type=entry["type"], webhook=_webhook(entry.get("webhook"))) for entry in entries)


def _webhook(given: Obj | None) -> Webhook | None:
    if given is None:
        return None
    return Webhook(
        kubeconfig=(given.get("connectionInfo") or {}).get("kubeConfigFile") or "",
        version=given["subjectAccessReviewVersion"],
        timeout=durations.parse(given["timeout"]),
        authorized_seconds=_kept(given, "authorizedTTL", "cacheAuthorizedRequests", 300),
        unauthorized_seconds=_kept(given, "unauthorizedTTL", "cacheUnauthorizedRequests", 30),
        denies_on_failure=given["failurePolicy"] == "Deny",
        conditions=tuple(c["expression"] for c in given.get("matchConditions") or ()),
    )


def _kept(given: Obj, name: str, switch: str, default: float) -> float:
    if given.get(switch) is False:
        return 0.0
    return durations.parse(given[name]) if given.get(name) else default


def _errors(entries: Sequence[Obj]) -> Iterator[field.FieldError]:
    if not entries:
        yield field.required("authorizers", "at least one authorization mode must be defined")
    types: set[str] = set()
    names: set[str] = set()
    for i, entry in enumerate(entries):
        path, type, name = f"authorizers[{i}]", entry.get("type") or "", entry.get("name") or ""
        if not type:
            yield field.required(f"{path}.type", "")
        elif type not in TYPES:
            yield field.not_supported(f"{path}.type", type, list(TYPES))
        elif type in types and type not in _MANY:
            yield field.duplicate(f"{path}.type", type)
        types.add(type)
        if not name:
            yield field.required(f"{path}.name", "")
        elif name in names:
            yield field.duplicate(f"{path}.name", name)
        elif wrong := name_rules.is_dns_subdomain(name):
            yield field.invalid(f"{path}.name", name, f"authorizer name is invalid: {', '.join(wrong)}")
        names.add(name)
        if type == "Webhook" and entry.get("webhook") is None:
            yield field.required(f"{path}.webhook", "required when type=Webhook")
        elif type == "Webhook":
            yield from _webhook_errors(f"{path}.webhook", entry["webhook"])
        elif entry.get("webhook") is not None:
            yield field.invalid(f"{path}.webhook", "non-null", "may only be specified when type=Webhook")


_CHOICES = (
    ("subjectAccessReviewVersion", ("v1", "v1beta1")),
    ("failurePolicy", ("NoOpinion", "Deny")),
)


def _webhook_errors(path: str, given: Obj) -> Iterator[field.FieldError]:
    yield from _time_errors(f"{path}.timeout", given.get("timeout"), required=True, most=30)
    for name in ("authorizedTTL", "unauthorizedTTL"):
        yield from _time_errors(f"{path}.{name}", given.get(name), required=False, most=0)
    for name, allowed in _CHOICES:
        if not given.get(name):
            yield field.required(f"{path}.{name}", "")
        elif given[name] not in allowed:
            yield field.not_supported(f"{path}.{name}", given[name], list(allowed))
    info = given.get("connectionInfo") or {}
    match info.get("type") or "":
        case "":
            yield field.required(f"{path}.connectionInfo.type", "")
        case "InClusterConfig":
            if info.get("kubeConfigFile"):
                why = "can only be set when type=KubeConfigFile"
                yield field.invalid(f"{path}.connectionInfo.kubeConfigFile", info["kubeConfigFile"], why)
        case "KubeConfigFile":
            if not info.get("kubeConfigFile"):
                yield field.required(f"{path}.connectionInfo.kubeConfigFile", "")
        case other:
            choices = ["InClusterConfig", "KubeConfigFile"]
            yield field.not_supported(f"{path}.connectionInfo.type", other, choices)
    yield from _condition_errors(path, given)


def _condition_errors(path: str, given: Obj) -> Iterator[field.FieldError]:
    from pocketkube.api.cel.variables import AUTHORIZATION

    conditions = given.get("matchConditions") or []
    version = given.get("matchConditionSubjectAccessReviewVersion")
    if conditions and not version:
        why = "required if match conditions are specified"
        yield field.required(f"{path}.matchConditionSubjectAccessReviewVersion", why)
    elif version not in (None, "", "v1"):
        yield field.not_supported(f"{path}.matchConditionSubjectAccessReviewVersion", version, ["v1"])
    for i, condition in enumerate(conditions):
        where, text = f"{path}.matchConditions[{i}].expression", condition.get("expression") or ""
        if not text:
            yield field.required(where, "")
            continue
        yield from expressions.compiled(where, text, AUTHORIZATION, gives=("bool",))


def _time_errors(path: str, given: Any, *, required: bool, most: int) -> Iterator[field.FieldError]:
    if given in (None, ""):
        if required:
            yield field.required(path, "")
        return
    try:
        found = durations.parse(str(given))
    except ValueError as failure:
        yield field.invalid(path, given, str(failure))
        return
    if found <= 0 and most:
        yield field.invalid(path, given, "must be > 0s")
    if most and found > most:
        yield field.invalid(path, given, f"must be <= {most}s")
