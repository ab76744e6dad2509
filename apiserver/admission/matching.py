"""Which requests a webhook or policy is for: rules, match policy, namespace and object selectors, conditions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from apiserver.interfaces import AdmissionRequest, Cluster
from pocketkube.api.kinds.kind import Kind
from pocketkube.api.meta.selectors import Selector, from_label_selector

Obj = dict[str, Any]
KindOf = Callable[[str, str, str], Kind | None]

GROUP = "admissionregistration.k8s.io"
# What decides about requests must not be able to lock itself.
EXEMPT = frozenset(
    f"{plural}.{GROUP}"
    for plural in (
        "mutatingwebhookconfigurations",
        "validatingwebhookconfigurations",
        "mutatingadmissionpolicies",
        "mutatingadmissionpolicybindings",
        "validatingadmissionpolicies",
        "validatingadmissionpolicybindings",
    )
)


class Constraints:
    """A compiled set of rules and selectors. `match` gives the kind, in the version that the rules ask for."""

    def __init__(self, spec: Obj, rules: Sequence[Obj], excluded: Sequence[Obj] = ()):
        self._rules, self._excluded = rules, excluded
        self._equivalent = spec.get("matchPolicy", "Equivalent") == "Equivalent"
        self._namespaces = _selector(spec.get("namespaceSelector"))
        self._objects = _selector(spec.get("objectSelector"))

    def match(self, request: AdmissionRequest, cluster: Cluster, kind_of: KindOf | None) -> Kind | None:
        """None where the request is not concerned."""
        if _first(self._excluded, request, self._equivalent, kind_of) is not None:
            return None
        kind = _first(self._rules, request, self._equivalent, kind_of)
        if kind is None or not self._objects_match(request):
            return None
        if not self._namespaces.empty and not _namespace_matches(self._namespaces, request, cluster):
            return None
        return kind

    def _objects_match(self, request: AdmissionRequest) -> bool:
        if self._objects.empty:
            return True
        return any(self._objects.matches(_labels(obj)) for obj in (request.obj, request.old) if obj is not None)


def _selector(selector: Obj | None) -> Selector:
    """An absent selector takes everything here, unlike elsewhere."""
    return from_label_selector(selector or {})


def _labels(obj: Obj) -> Mapping[str, str]:
    return (obj.get("metadata") or {}).get("labels") or {}


def _namespace_matches(selector: Selector, request: AdmissionRequest, cluster: Cluster) -> bool:
    if request.kind.resource == "namespaces" and not request.subresource:
        own = request.obj if request.obj is not None else request.old
        return selector.matches(_labels(own or {}))
    if not request.kind.namespaced:
        return True
    namespace = cluster.get("", "namespaces", "", request.namespace)
    return namespace is not None and selector.matches(_labels(namespace))


def _first(rules: Sequence[Obj], request: AdmissionRequest, equivalent: bool, kind_of: KindOf | None) -> Kind | None:
    kind = request.kind
    for rule in rules:
        if rule_matches(rule, request, kind.group, kind.version):
            return kind
    if not equivalent or kind_of is None:
        return None
    for rule in rules:
        for group, version in _equivalents(kind, rule):
            if rule_matches(rule, request, group, version):
                other = kind_of(group, version, kind.kind)
                if other is not None:
                    return other
    return None


def _equivalents(kind: Kind, rule: Obj) -> Iterator[tuple[str, str]]:
    """Where else the kind may be served: in other versions that the rule names, and in other groups."""
    for version in rule.get("apiVersions") or ():
        if version not in ("*", kind.version):
            yield kind.group, version
    yield from kind.cohabits


def rule_matches(rule: Obj, request: AdmissionRequest, group: str, version: str) -> bool:
    """Were the request's kind of that group and version."""
    kind = request.kind
    return (
        _among(request.operation, rule.get("operations"))
        and _among(group, rule.get("apiGroups"))
        and _among(version, rule.get("apiVersions"))
        and rule.get("scope", "*") in ("*", "Namespaced" if kind.namespaced else "Cluster")
        and _resource_matches(rule.get("resources") or (), kind.plural, request.subresource)
        and (not rule.get("resourceNames") or request.name in rule["resourceNames"])
    )


def _among(value: str, allowed: Sequence[str] | None) -> bool:
    return bool(allowed) and (value in allowed or "*" in allowed)  # type: ignore[operator]


def _resource_matches(patterns: Iterable[str], plural: str, subresource: str) -> bool:
    """`pods`, `pods/status`, `pods/*`, `*/status`, `*` (no subresources), `*/*`."""
    for pattern in patterns:
        resource, _, wanted = pattern.partition("/")
        if resource in ("*", plural) and (
            wanted == subresource or (wanted == "*" and (subresource or resource == "*"))
        ):
            return True
        if resource == plural and wanted == "*":
            return True
    return False


class Versioned(NamedTuple):
    """A request's objects in the version in which it was matched."""

    kind: Kind
    obj: Obj | None
    old: Obj | None


def is_outside(request: AdmissionRequest, kind: Kind) -> bool:
    """Whether only a converter can bring the request's objects to another version."""
    return kind.converter is not None and _differs(request, kind)


def _differs(request: AdmissionRequest, kind: Kind) -> bool:
    asked = request.kind
    return (kind.version, kind.group) != (asked.version, asked.group) and request.subresource in ("", "status")


async def brought_to(request: AdmissionRequest, kind: Kind) -> Versioned:
    """As `in_version`, where a converter may have to be asked. Raises what it raises."""
    if kind.converter is None or not _differs(request, kind):
        return in_version(request, kind)
    given = [obj for obj in (request.obj, request.old) if obj is not None]
    made = iter(await kind.converter(given, kind.api_version))
    obj = next(made) if request.obj is not None else None
    return Versioned(kind, obj, next(made) if request.old is not None else None)


def in_version(request: AdmissionRequest, kind: Kind) -> Versioned:
    if not _differs(request, kind):
        return Versioned(kind, request.obj, request.old)
    obj = _converted(request.obj, kind) if request.obj is not None else None
    old = _converted(request.old, kind) if request.old is not None else None
    return Versioned(kind, obj, old)


async def brought_back(request: AdmissionRequest, kind: Kind, obj: Obj) -> Obj:
    """As `back`, where a converter may have to be asked. Raises what it raises."""
    if kind.converter is None or not _differs(request, kind):
        return back(request, kind, obj)
    (made,) = await kind.converter([obj], request.kind.api_version)
    return made


def back(request: AdmissionRequest, kind: Kind, obj: Obj) -> Obj:
    """An object in the version in which it was matched, in that of the request."""
    return _converted(obj, request.kind) if _differs(request, kind) else obj


def _converted(obj: Obj, kind: Kind) -> Obj:
    if kind.convert is not None:
        return kind.convert(obj, kind.version)
    return {**obj, "apiVersion": kind.api_version, "kind": kind.kind}
