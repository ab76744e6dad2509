"""A Policy file, and the first of its rules that fits a request."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from apiserver import configfile
from apiserver.configfile import BadFile
from apiserver.interfaces import RequestInfo, User
from pocketkube.base.kept import Kept

Obj = dict[str, Any]

VERSIONS = ("audit.k8s.io/v1",)
LEVELS = ("None", "Metadata", "Request", "RequestResponse")
STAGES = ("RequestReceived", "ResponseStarted", "ResponseComplete", "Panic")
_RULE_FIELDS = (
    "level", "users", "userGroups", "verbs", "resources", "namespaces", "nonResourceURLs", "omitStages", "omitManagedFields",
)  # fmt: skip


class Ruling(NamedTuple):
    """What is written of a request. `level` counts LEVELS: 0 is nothing."""

    level: int
    stages: frozenset[str] = frozenset()  # that are written
    omit_managed_fields: bool = False


NOTHING = Ruling(0)


class _Rule(NamedTuple):
    ruling: Ruling
    fits: Callable[[User | None, RequestInfo], bool]


class Policy:
    def __init__(self, rules: list[_Rule], *, by_name: bool):
        self._rules = rules
        self._by_name = by_name
        self._known: Kept[tuple[object, ...], Ruling] = Kept()

    def ruling(self, user: User | None, info: RequestInfo) -> Ruling:
        """That of the first rule that fits. `user` None: nobody was authenticated."""
        key: tuple[object, ...] = (
            user and (user.name, user.groups), info.verb, info.group, info.resource, info.subresource, info.namespace,
            info.name if self._by_name else "", "" if info.is_resource else info.path,
        )  # fmt: skip
        found = self._known.get(key)
        if found is None:
            found = self._known.keep(key, next((r.ruling for r in self._rules if r.fits(user, info)), NOTHING))
        return found


def load(path: str) -> Policy:
    """Raises BadFile."""
    config = configfile.load(path, "Policy", VERSIONS)
    configfile.only(config, path, "", ("kind", "apiVersion", "metadata", "rules", "omitStages", "omitManagedFields"))
    given = config.get("rules")
    if not isinstance(given, list) or not given:
        raise BadFile(f"{path}: rules: Required value: a policy needs at least one rule")
    omitted = _stages(config.get("omitStages"), path, "omitStages")
    rules = []
    for at, rule in enumerate(given):
        where = f"rules[{at}]"
        if not isinstance(rule, dict):
            raise BadFile(f"{path}: {where}: not an object")
        _check(rule, path, where)
        managed = rule.get("omitManagedFields")
        ruling = Ruling(
            LEVELS.index(rule["level"]),
            frozenset(STAGES) - omitted - _stages(rule.get("omitStages"), path, f"{where}.omitStages"),
            bool(config.get("omitManagedFields") if managed is None else managed),
        )
        rules.append(_Rule(ruling, _matcher(rule)))
    return Policy(
        rules, by_name=any(part.get("resourceNames") for rule in given for part in rule.get("resources") or ())
    )


def _stages(found: Any, path: str, where: str) -> frozenset[str]:
    stages = found or []
    for stage in stages if isinstance(stages, list) else [stages]:
        if stage not in STAGES:
            raise BadFile(f'{path}: {where}: Unsupported value: "{stage}": supported values: {", ".join(STAGES)}')
    return frozenset(stages)


def _check(rule: Obj, path: str, where: str) -> None:
    configfile.only(rule, path, where, _RULE_FIELDS)
    if rule.get("level") not in LEVELS:
        raise BadFile(
            f'{path}: {where}.level: Unsupported value: "{rule.get("level", "")}": supported values: {", ".join(LEVELS)}'
        )
    for name in ("users", "userGroups", "verbs", "namespaces", "nonResourceURLs"):
        values = rule.get(name) or []
        if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
            raise BadFile(f"{path}: {where}.{name}: a list of strings is wanted")
    urls = rule.get("nonResourceURLs") or []
    if urls and (rule.get("resources") or rule.get("namespaces")):
        raise BadFile(
            f"{path}: {where}.nonResourceURLs: Invalid value: rules cannot apply to both regular resources and non-resource URLs"
        )
    for url in urls:
        if url != "*" and (not url.startswith("/") or "*" in url[:-1]):
            raise BadFile(
                f'{path}: {where}.nonResourceURLs: Invalid value: "{url}": a path that begins with / and may end with *'
            )
    resources = rule.get("resources") or []
    if not isinstance(resources, list):
        raise BadFile(f"{path}: {where}.resources: a list is wanted")
    for at, part in enumerate(resources):
        if not isinstance(part, dict):
            raise BadFile(f"{path}: {where}.resources[{at}]: not an object")
        configfile.only(part, path, f"{where}.resources[{at}]", ("group", "resources", "resourceNames"))
        if part.get("resourceNames") and not part.get("resources"):
            raise BadFile(
                f"{path}: {where}.resources[{at}].resourceNames: Invalid value: using resourceNames requires at least one resource"
            )


def _matcher(rule: Obj) -> Callable[[User | None, RequestInfo], bool]:
    users, groups = frozenset(rule.get("users") or ()), frozenset(rule.get("userGroups") or ())
    verbs, namespaces = frozenset(rule.get("verbs") or ()), frozenset(rule.get("namespaces") or ())
    resources, urls = rule.get("resources") or [], rule.get("nonResourceURLs") or []

    def fits(user: User | None, info: RequestInfo) -> bool:
        if users and (user is None or user.name not in users):
            return False
        if groups and (user is None or groups.isdisjoint(user.groups)):
            return False
        if verbs and info.verb not in verbs:
            return False
        if namespaces or resources:
            return info.is_resource and (not namespaces or info.namespace in namespaces) and _resource(resources, info)
        if urls:
            return not info.is_resource and any(_url(url, info.path) for url in urls)
        return True

    return fits


def _url(pattern: str, path: str) -> bool:
    return path.startswith(pattern[:-1]) if pattern.endswith("*") else path == pattern


def _resource(parts: list[Obj], info: RequestInfo) -> bool:
    if not parts:
        return True
    whole = f"{info.resource}/{info.subresource}" if info.subresource else info.resource
    patterns = {"*", whole}
    if info.subresource:
        patterns |= {f"{info.resource}/*", f"*/{info.subresource}"}
    for part in parts:
        if (part.get("group") or "") != info.group:
            continue
        named = part.get("resources") or []
        names = part.get("resourceNames") or []
        if not named or (not patterns.isdisjoint(named) and (not names or info.name in names)):
            return True
    return False
