"""What objects cost against a ResourceQuota: pure functions shared by admission, which refuses, and the controller, which counts.

Amounts are exact decimals by quota name: `pods`, `requests.cpu`, `services.nodeports`, `count/deployments.apps`...
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from pocketkube.api.meta import quantity

Obj = dict[str, Any]
Amounts = dict[str, Decimal]

_ONE = Decimal(1)
# Core kinds that have a name of their own beside `count/<resource>`.
_COUNTED = frozenset(
    {"pods", "services", "persistentvolumeclaims", "configmaps", "secrets", "replicationcontrollers", "resourcequotas"}
)
_COMPUTE = frozenset({"cpu", "memory", "ephemeral-storage"})
_CLASS = ".storageclass.storage.k8s.io/"
_DEVICE_CLASS = ".deviceclass.resource.k8s.io/devices"


def is_binary(resource: str) -> bool:
    """Whether amounts are shown in Ki, Mi, Gi: bytes of memory and storage."""
    last = resource.rpartition("/")[2].rpartition(".")[2] if "/" not in resource else resource.rpartition("/")[2]
    return last in ("memory", "storage", "ephemeral-storage") or resource.endswith("requests.storage")


def usage(plural: str, group: str, obj: Obj) -> Amounts:
    """What one object uses; nothing for a pod that has ended."""
    if plural == "pods" and not group:
        return _pod_usage(obj)
    found: Amounts = {f"count/{plural}.{group}" if group else f"count/{plural}": _ONE}
    if not group and plural in _COUNTED:
        found[plural] = _ONE
    if not group and plural == "services":
        found |= _service_usage(obj)
    elif not group and plural == "persistentvolumeclaims":
        found |= _claim_usage(obj)
    elif group == "resource.k8s.io" and plural == "resourceclaims":
        found |= _device_usage(obj)
    return found


def _pod_usage(pod: Obj) -> Amounts:
    found: Amounts = {"count/pods": _ONE}
    if not counts(pod):
        return found
    spec = pod["spec"]
    found["pods"] = _ONE
    for resource, amount in pod_total(spec, "requests").items():
        found[f"requests.{resource}"] = amount
        if resource in _COMPUTE or resource.startswith("hugepages-"):
            found[resource] = amount
    for resource, amount in pod_total(spec, "limits").items():
        if resource in _COMPUTE:
            found[f"limits.{resource}"] = amount
    return found


def counts(pod: Obj) -> bool:
    """Whether a pod takes part: it has not ended, and is not long overdue for removal."""
    return (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed")


def pod_total(spec: Obj, field: str) -> Amounts:
    """Requests or limits of a whole pod: its containers and sidecars together, or its hungriest init step, plus overhead."""
    total: Amounts = {}
    for container in spec.get("containers") or ():
        _add(total, _amounts(container, field))
    sidecars: Amounts = {}
    steps: Amounts = {}
    for container in spec.get("initContainers") or ():
        asked = _amounts(container, field)
        if container.get("restartPolicy") == "Always":
            _add(sidecars, asked)
            asked = dict(sidecars)
        else:
            _add(asked, sidecars)
        _most(steps, asked)
    _add(total, sidecars)
    _most(total, steps)
    total |= _amounts(spec, field)  # resources stated for the pod as a whole replace the sum
    overhead = {k: quantity.parse(str(v)) for k, v in (spec.get("overhead") or {}).items()}
    _add(total, overhead if field == "requests" else {k: v for k, v in overhead.items() if k in total})
    return total


def _amounts(holder: Obj, field: str) -> Amounts:
    asked = (holder.get("resources") or {}).get(field) or {}
    return {resource: quantity.parse(str(amount)) for resource, amount in asked.items()}


def _add(total: Amounts, more: Mapping[str, Decimal]) -> None:
    for resource, amount in more.items():
        total[resource] = total.get(resource, Decimal(0)) + amount


def _most(total: Amounts, other: Mapping[str, Decimal]) -> None:
    for resource, amount in other.items():
        total[resource] = max(total.get(resource, amount), amount)


def _service_usage(service: Obj) -> Amounts:
    spec = service.get("spec") or {}
    ports, kind = spec.get("ports") or (), spec.get("type", "ClusterIP")
    found: Amounts = {}
    if kind == "NodePort":
        found["services.nodeports"] = Decimal(len(ports))
    elif kind == "LoadBalancer":
        found["services.loadbalancers"] = _ONE
        allocated = spec.get("allocateLoadBalancerNodePorts", True)
        nodes = len(ports) if allocated else sum(1 for p in ports if p.get("nodePort"))
        found["services.nodeports"] = Decimal(nodes)
    return found


def _claim_usage(claim: Obj) -> Amounts:
    spec = claim.get("spec") or {}
    annotations = claim["metadata"].get("annotations") or {}
    storage_class = annotations.get("volume.beta.kubernetes.io/storage-class") or spec.get("storageClassName")
    storage = quantity.parse(str(((spec.get("resources") or {}).get("requests") or {}).get("storage", "0")))
    allocated = ((claim.get("status") or {}).get("allocatedResources") or {}).get("storage")
    if allocated is not None:
        storage = max(storage, quantity.parse(str(allocated)))
    found: Amounts = {"requests.storage": storage}
    if storage_class:
        found[f"{storage_class}{_CLASS}persistentvolumeclaims"] = _ONE
        found[f"{storage_class}{_CLASS}requests.storage"] = storage
    return found


def _device_usage(claim: Obj) -> Amounts:
    found: Amounts = {}
    devices = ((claim.get("spec") or {}).get("devices") or {}).get("requests") or ()
    for request in devices:
        options = [request.get("exactly") or request, *(request.get("firstAvailable") or ())]
        most: Amounts = {}
        for option in options:
            if option.get("deviceClassName"):
                _most(most, {option["deviceClassName"] + _DEVICE_CLASS: Decimal(option.get("count") or 1)})
        _add(found, most)
    return found


def constrained(quota_hard: Iterable[str], amounts: Mapping[str, Decimal]) -> Amounts:
    """The part of `amounts` that a quota with these hard names looks at."""
    return {resource: amounts[resource] for resource in quota_hard if resource in amounts}


def missing_resources(quota_hard: Iterable[str], pod: Obj) -> dict[str, list[str]]:
    """Containers, by quota name, that do not say what they ask for though the quota limits it."""
    found: dict[str, list[str]] = {}
    spec = pod["spec"]
    whole = spec.get("resources") or {}
    for resource in sorted(quota_hard):
        field, name = _asked(resource)
        if not field or name in (whole.get(field) or {}):
            continue
        for container in (*(spec.get("containers") or ()), *(spec.get("initContainers") or ())):
            if name not in ((container.get("resources") or {}).get(field) or {}):
                found.setdefault(resource, []).append(container["name"])
    return found


def _asked(resource: str) -> tuple[str, str]:
    """(requests or limits, resource) that a quota name constrains of containers, ("", "") for other names."""
    field, _, name = resource.partition(".")
    if field in ("requests", "limits") and name in ("cpu", "memory"):
        return field, name
    return ("requests", resource) if resource in ("cpu", "memory") else ("", "")


def in_scope(quota: Obj, plural: str, group: str, obj: Obj) -> bool:
    """Whether a quota's scopes and scope selector take in this object."""
    spec = quota.get("spec") or {}
    terms = [{"scopeName": scope, "operator": "Exists"} for scope in spec.get("scopes") or ()]
    terms += (spec.get("scopeSelector") or {}).get("matchExpressions") or []
    if not terms:
        return True
    if group:
        return False
    if plural == "pods":
        return all(_pod_in(term, obj) for term in terms)
    if plural == "persistentvolumeclaims":
        return all(_claim_in(term, obj) for term in terms)
    return False


def _pod_in(term: Obj, pod: Obj) -> bool:
    spec = pod["spec"]
    match term.get("scopeName"):
        case "Terminating":
            return spec.get("activeDeadlineSeconds") is not None
        case "NotTerminating":
            return spec.get("activeDeadlineSeconds") is None
        case "BestEffort":
            return _best_effort(spec)
        case "NotBestEffort":
            return not _best_effort(spec)
        case "PriorityClass":
            return _in_values(term, spec.get("priorityClassName") or "")
        case "CrossNamespacePodAffinity":
            return _crosses_namespaces(spec)
    return False


def _claim_in(term: Obj, claim: Obj) -> bool:
    if term.get("scopeName") != "VolumeAttributesClass":
        return False
    return _in_values(term, (claim.get("spec") or {}).get("volumeAttributesClassName") or "")


def _in_values(term: Obj, value: str) -> bool:
    match term.get("operator"):
        case "In":
            return value in (term.get("values") or ())
        case "NotIn":
            return value not in (term.get("values") or ())
        case "DoesNotExist":
            return not value
    return bool(value)


def _best_effort(spec: Obj) -> bool:
    holders = [spec, *(spec.get("containers") or ()), *(spec.get("initContainers") or ())]
    asked = [(h.get("resources") or {}).get(f) or {} for h in holders for f in ("requests", "limits")]
    return not any(quantity.parse(str(a[r])) for a in asked for r in ("cpu", "memory") if r in a)


def _crosses_namespaces(spec: Obj) -> bool:
    affinity = spec.get("affinity") or {}
    for field in ("podAffinity", "podAntiAffinity"):
        given = affinity.get(field) or {}
        terms = list(given.get("requiredDuringSchedulingIgnoredDuringExecution") or ())
        weighted = given.get("preferredDuringSchedulingIgnoredDuringExecution") or ()
        terms += [w.get("podAffinityTerm") or {} for w in weighted]
        if any(t.get("namespaces") or t.get("namespaceSelector") is not None for t in terms):
            return True
    return False
