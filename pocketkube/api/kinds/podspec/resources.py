"""What a pod asks for and may use: containers, init containers, sidecars and overhead taken together, as upstream counts.

Amounts in sums are integers: thousandths for cpu, units for all else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pocketkube.api.meta import quantity

Obj = dict[str, Any]
Amounts = dict[str, int]
Own = Callable[[Obj], Amounts]


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


def together(spec: Obj, own: Own) -> Amounts:
    """What all containers need at the hungriest moment; `own(container)` is what one needs.

    Containers and sidecars run together; each other init container runs beside the sidecars started before it.
    """
    total: Amounts = {}
    for container in spec.get("containers") or ():
        _add(total, own(container))
    if initial := spec.get("initContainers"):
        _with_init(total, initial, own)
    return total


def _with_init(total: Amounts, initial: Iterable[Obj], own: Own) -> None:
    sidecars: Amounts = {}
    peak: Amounts = {}
    for container in initial:
        need = own(container)
        if is_sidecar(container):
            _add(sidecars, need)
            _most(peak, sidecars)
        else:
            moment = dict(sidecars)
            _add(moment, need)
            _most(peak, moment)
    _add(total, sidecars)
    _most(total, peak)


def _stated_requests(container: Obj) -> Amounts:
    return amounts((container.get("resources") or {}).get("requests"))


def _stated_limits(container: Obj) -> Amounts:
    return amounts((container.get("resources") or {}).get("limits"))


def requests(pod: Obj, *, own: Own = _stated_requests) -> Amounts:
    """Resource name -> what a node must set aside for the pod: what it states for all of its containers goes before what they need
    together, overhead comes on top. `own(container)`: what one container needs, where that is not just what it states."""
    spec = pod["spec"]
    total = together(spec, own)
    if level := spec.get("resources"):
        total.update(amounts(level.get("requests")))
    if overhead := spec.get("overhead"):
        _add(total, amounts(overhead))
    return total


def limits(pod: Obj) -> Amounts:
    """Resource name -> what the pod may use at most; overhead is added to what is limited."""
    spec = pod["spec"]
    total = together(spec, _stated_limits)
    if level := spec.get("resources"):
        total.update(amounts(level.get("limits")))
    if overhead := spec.get("overhead"):
        _add(total, {name: number for name, number in amounts(overhead).items() if name in total})
    return total


def as_quantity(name: str, number: int) -> str:
    """The canonical text of an amount."""
    if name == "cpu":
        return quantity.canonical(f"{number}m")
    binary = name in ("memory", "ephemeral-storage", "storage") or name.startswith("hugepages-")
    return quantity.render(number, form="binary" if binary and number % 1024 == 0 else "decimal")


def aggregate_requests(spec: Obj) -> dict[str, str]:
    """The containers' requests together, as quantities."""
    return {name: as_quantity(name, number) for name, number in together(spec, _stated_requests).items()}


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
