"""What a pod asks for and may use: containers, init containers, sidecars and overhead taken together, as upstream counts.

Amounts in sums are integers: thousandths for cpu, units for all else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pocketkube.api.meta import quantity

Obj = dict[str, Any]
Amounts = dict[str, int]


def amount(name: str, text: Any) -> int:
    """A quantity as an integer: thousandths for cpu, units for all else; rounded up."""
    return quantity.milli(str(text)) if name == "cpu" else quantity.value(str(text))


def amounts(resources: Mapping[str, Any] | None) -> Amounts:
    return {name: amount(name, text) for name, text in resources.items()} if resources else {}


def _add(total: Amounts, more: Mapping[str, int]) -> None:
    for name, number in more.items():
        total[name] = total.get(name, 0) + number


def _most(total: Amounts, other: Mapping[str, int]) -> None:
    for name, number in other.items():
        if number > total.get(name, 0):
            total[name] = number


def is_sidecar(container: Mapping[str, Any]) -> bool:
    """An init container that goes on running beside the others."""
    return container.get("restartPolicy") == "Always"


def containers_total(spec: Obj, which: str) -> Amounts:
    """`requests` or `limits` of all containers: the sum of those that run together at the hungriest moment."""
    total: Amounts = {}
    for container in spec.get("containers") or ():
        if resources := container.get("resources"):
            _add(total, amounts(resources.get(which)))
    if initial := spec.get("initContainers"):
        _with_init(total, initial, which)
    return total


def _with_init(total: Amounts, initial: Iterable[Obj], which: str) -> None:
    """Sidecars run beside the containers; each other init container runs beside the sidecars started before it."""
    sidecars: Amounts = {}
    peak: Amounts = {}
    for container in initial:
        own = amounts((container.get("resources") or {}).get(which))
        if is_sidecar(container):
            _add(sidecars, own)
            _most(peak, sidecars)
        else:
            moment = dict(sidecars)
            _add(moment, own)
            _most(peak, moment)
    _add(total, sidecars)
    _most(total, peak)


def requests(pod: Obj) -> Amounts:
    """Resource name -> what the scheduler sets aside for the pod, overhead included."""
    return _effective(pod["spec"], "requests")


def limits(pod: Obj) -> Amounts:
    """Resource name -> what the pod may use at most; overhead is added to what is limited."""
    return _effective(pod["spec"], "limits")


def _effective(spec: Obj, which: str) -> Amounts:
    total = containers_total(spec, which)
    if level := spec.get("resources"):
        total.update(amounts(level.get(which)))
    if overhead := spec.get("overhead"):
        for name, number in amounts(overhead).items():
            if which == "requests" or name in total:
                total[name] = total.get(name, 0) + number
    return total


def as_quantity(name: str, number: int) -> str:
    """The canonical text of an amount."""
    if name == "cpu":
        return quantity.canonical(f"{number}m")
    binary = name in ("memory", "ephemeral-storage", "storage") or name.startswith("hugepages-")
    return quantity.render(number, form="binary" if binary and number % 1024 == 0 else "decimal")


def aggregate_requests(spec: Obj) -> dict[str, str]:
    """The containers' requests together, as quantities."""
    return {name: as_quantity(name, number) for name, number in containers_total(spec, "requests").items()}


def qos_class(pod: Obj) -> str:
    """Guaranteed, Burstable or BestEffort by cpu and memory of all containers."""
    spec = pod["spec"]
    if level := spec.get("resources"):
        return _class([level])
    return _class([c.get("resources") or {} for name in ("containers", "initContainers") for c in spec.get(name) or ()])


_COUNTED = ("cpu", "memory")


def _class(resources: list[Obj]) -> str:
    asked = False
    guaranteed = True
    for each in resources:
        limits, requests = each.get("limits") or {}, each.get("requests") or {}
        for name in _COUNTED:
            limit, request = limits.get(name), requests.get(name)
            positive = [x for x in (limit, request) if x is not None and quantity.milli(str(x)) > 0]
            asked = asked or bool(positive)
            if (
                limit is None
                or not quantity.milli(str(limit))
                or (request is not None and quantity.compare(str(limit), str(request)))
            ):
                guaranteed = False
    if not asked:
        return "BestEffort"
    return "Guaranteed" if guaranteed else "Burstable"
