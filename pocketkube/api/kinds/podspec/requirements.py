"""Resource requests and limits: names, quantities, and requests within limits."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from pocketkube.api.kinds.checks import NOT_NEGATIVE, Errors, qualified
from pocketkube.api.meta import field, quantity
from pocketkube.base.kept import remembered

Obj = dict[str, Any]

CONTAINER_RESOURCES = ("cpu", "memory", "ephemeral-storage")
_PLAIN = frozenset(
    (
        "cpu", "memory", "ephemeral-storage", "storage", "pods", "services", "replicationcontrollers", "resourcequotas",
        "secrets", "configmaps", "persistentvolumeclaims", "services.nodeports", "services.loadbalancers",
    )
)  # fmt: skip


def is_native(name: str) -> bool:
    """A resource that Kubernetes itself knows: no prefix, or a prefix below kubernetes.io."""
    return "/" not in name or "kubernetes.io/" in name


def overcommits(name: str) -> bool:
    """Native resources but huge pages may be limited above what is requested."""
    return is_native(name) and not name.startswith("hugepages-")


def is_integer(name: str) -> bool:
    """Counted things: no half of them exists."""
    return name in _COUNTED or not overcommits(name) or name.startswith("count/")


_COUNTED = _PLAIN - {"cpu", "memory", "ephemeral-storage", "storage"}


@remembered(1024)
def _container_name(name: str) -> tuple[str, ...]:
    if name in CONTAINER_RESOURCES:
        return ()
    if wrong := qualified(name):
        return wrong
    if name.startswith("hugepages-"):
        return ()
    if "/" not in name:
        words = ("must be a standard resource type or fully qualified",) if name not in _PLAIN else ()
        return (*words, "must be a standard resource for containers")
    if not is_native(name) and len(name.partition("/")[2]) > 63 - len("requests."):
        return ("must be a standard resource for containers",)
    return ()


def requirements(resources: Mapping[str, Any], path: str, claims: Collection[str] = ()) -> Errors:
    """requests, limits and claims of one container; `claims` are the names the pod's resourceClaims have."""
    limits, requests = resources.get("limits"), resources.get("requests")
    found: Errors = []
    if limits:
        found += _amounts(limits, f"{path}.limits")
    if requests:
        found += _amounts(requests, f"{path}.requests")
        found += _within(requests, limits or {}, f"{path}.requests")
    elif limits:
        found += _huge_pages(limits, requests or {}, path)
    for at, claim in enumerate(resources.get("claims") or ()):
        if claim.get("name") not in claims:
            found.append(field.not_found(f"{path}.claims[{at}]", claim.get("name", "")))
    return found


@remembered(8192)
def _amount(name: str, text: str) -> tuple[str, ...]:
    amount = quantity.parse(text)
    if amount < 0:
        return (NOT_NEGATIVE,)
    return ("must be an integer",) if is_integer(name) and amount % 1 else ()


def _amounts(found: Mapping[str, Any], path: str) -> Errors:
    wrong: Errors = []
    for name, text in found.items():
        wrong += [field.invalid(f"{path}[{name}]", name, why) for why in _container_name(name)]
        wrong += [field.invalid(f"{path}[{name}]", str(text), why) for why in _amount(name, str(text))]
    return wrong


def _within(requests: Mapping[str, Any], limits: Mapping[str, Any], path: str) -> Errors:
    wrong: Errors = []
    for name, text in requests.items():
        limit = limits.get(name)
        if limit is None:
            if not overcommits(name):
                wrong.append(
                    field.required(f"{path[:-9]}.limits", "Limit must be set for non overcommitable resources")
                )
        elif limit != text:
            order = quantity.compare(str(text), str(limit))
            if order and not overcommits(name):
                wrong.append(field.invalid(path, str(text), f"must be equal to {name} limit of {limit}"))
            elif order > 0:
                wrong.append(field.invalid(path, str(text), f"must be less than or equal to {name} limit of {limit}"))
    return wrong + _huge_pages(limits, requests, path.rpartition(".")[0])


def _huge_pages(limits: Mapping[str, Any], requests: Mapping[str, Any], path: str) -> Errors:
    names = [*limits, *requests]
    if any(name.startswith("hugepages-") for name in names) and "cpu" not in names and "memory" not in names:
        return [field.forbidden(path, "HugePages require cpu or memory")]
    return []
