"""How fast the nodes of a zone may be given up: one by one, slower in a large disrupted zone, not at all when everything is lost.

A controller that sees no node at all is probably itself cut off: then nothing is evicted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from controller.loops.node_lifecycle.health import ready_status

Obj = dict[str, Any]
State = Literal["Initial", "Normal", "PartialDisruption", "FullDisruption"]

_REGION, _ZONE = "topology.kubernetes.io/region", "topology.kubernetes.io/zone"


def zone_of(node: Obj) -> str:
    """`region:zone` of the node's labels, "" without any."""
    labels = node["metadata"].get("labels") or {}
    region, zone = labels.get(_REGION, ""), labels.get(_ZONE, "")
    return f"{region}:{zone}" if region or zone else ""


def state(nodes: Iterable[Obj], threshold: float) -> State:
    """Of one zone. Partial: more than two nodes and at least `threshold` of them are not ready."""
    statuses = [ready_status(n) == "True" for n in nodes]
    ready, lost = statuses.count(True), statuses.count(False)
    if not ready and lost:
        return "FullDisruption"
    if lost > 2 and lost / (ready + lost) >= threshold:
        return "PartialDisruption"
    return "Normal"


@dataclass(frozen=True, slots=True)
class Rates:
    """Nodes a second. `large`: a disrupted zone of more nodes than this is emptied at the secondary rate, others not at all."""

    normal: float = 0.1
    secondary: float = 0.01
    large: int = 50


def rates(states: Mapping[str, State], sizes: Mapping[str, int], allowed: Rates) -> dict[str, float]:
    """Nodes a second by zone."""
    if states and all(s == "FullDisruption" for s in states.values()):
        return dict.fromkeys(states, 0.0)
    found = {}
    for zone, current in states.items():
        if current == "PartialDisruption":
            found[zone] = allowed.secondary if sizes[zone] > allowed.large else 0.0
        else:
            found[zone] = allowed.normal
    return found


@dataclass(slots=True)
class Limiter:
    """A token bucket of one: the first node at once, the next 1/rate seconds later."""

    next_at: float = float("-inf")

    def wait(self, rate: float, now: float) -> float | None:
        """Seconds until a node may go, None for never at this rate."""
        return None if rate <= 0 else max(0.0, self.next_at - now)

    def take(self, rate: float, now: float) -> None:
        self.next_at = now + 1.0 / rate
