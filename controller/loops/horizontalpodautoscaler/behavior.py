"""How fast a proposal may be followed: stabilization windows and scaling policies. Pure but for its memory."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

Obj = dict[str, Any]

_UP = {
    "stabilizationWindowSeconds": 0,
    "selectPolicy": "Max",
    "policies": [
        {"type": "Percent", "value": 100, "periodSeconds": 15},
        {"type": "Pods", "value": 4, "periodSeconds": 15},
    ],
}
_DOWN = {"selectPolicy": "Max", "policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}]}


def rules(autoscaler: Obj, direction: str, stabilization: float) -> Obj:
    """`scaleUp` or `scaleDown` of the spec, filled with the defaults."""
    default = _UP if direction == "scaleUp" else {**_DOWN, "stabilizationWindowSeconds": stabilization}
    given = (autoscaler["spec"].get("behavior") or {}).get(direction) or {}
    return {**default, **{k: v for k, v in given.items() if v is not None}}


@dataclass(slots=True)
class Memory:
    """One autoscaler's past: (seconds, proposal) and (seconds, replicas added or taken)."""

    proposals: list[tuple[float, int]] = field(default_factory=list)
    changes: list[tuple[float, int]] = field(default_factory=list)

    def forget(self, before: float) -> None:
        self.proposals = [p for p in self.proposals if p[0] >= before]
        self.changes = [c for c in self.changes if c[0] >= before]


def stabilized(memory: Memory, current: int, proposal: int, *, up: float, down: float, now: float) -> int:
    """Up only to the lowest proposal of the up window, down only to the highest of the down window (seconds)."""
    highest = max([proposal, *(p for at, p in memory.proposals if at > now - down)])
    lowest = min([proposal, *(p for at, p in memory.proposals if at > now - up)])
    memory.proposals.append((now, proposal))
    return min(max(current, lowest), highest)


def limit(memory: Memory, rule: Obj, current: int, now: float, *, up: bool) -> int:
    """The furthest number of replicas that the policies allow now."""
    if rule.get("selectPolicy") == "Disabled":
        return current
    allowed = [_allowed(memory.changes, policy, current, now, up=up) for policy in rule["policies"]]
    strictest = rule.get("selectPolicy") == "Min"
    return min(allowed) if up == strictest else max(allowed)


def _allowed(changes: Iterable[tuple[float, int]], policy: Obj, current: int, now: float, *, up: bool) -> int:
    recent = sum(abs(c) for at, c in changes if at > now - policy["periodSeconds"] and (c > 0) == up)
    start = current - recent if up else current + recent
    step = int(policy["value"]) if up else -int(policy["value"])
    if policy["type"] == "Pods":
        return start + step
    return -(-start * (100 + step) // 100) if up else start * (100 + step) // 100


@dataclass(frozen=True, slots=True)
class Decision:
    """`conditions` are (type, status, reason, message)."""

    replicas: int
    conditions: Sequence[tuple[str, str, str, str]]


def decide(
    autoscaler: Obj, memory: Memory, *, current: int, proposal: int, stabilization: float, now: float
) -> Decision:
    """From a proposal to the replicas to set, within bounds, windows and policies."""
    least, most = autoscaler["spec"].get("minReplicas", 1), autoscaler["spec"]["maxReplicas"]
    up, down = rules(autoscaler, "scaleUp", stabilization), rules(autoscaler, "scaleDown", stabilization)
    windows = {"up": up["stabilizationWindowSeconds"], "down": down["stabilizationWindowSeconds"]}
    steady = stabilized(memory, current, proposal, now=now, **windows)
    able = ("AbleToScale", "True", "ReadyForNewScale", "recommended size matches current size")
    if steady != proposal:
        word = "ScaleDownStabilized" if proposal < steady else "ScaleUpStabilized"
        kind = "recent recommendations were higher than current one" if proposal < steady else "recent ones were lower"
        able = ("AbleToScale", "True", word, f"{kind}, applying the stabilized recommendation")
    wanted = steady
    if wanted > current:
        wanted = min(wanted, max(current, limit(memory, up, current, now, up=True)))
    elif wanted < current:
        wanted = max(wanted, min(current, limit(memory, down, current, now, up=False)))
    bounded = min(max(wanted, least), most)
    if bounded > wanted:
        held = (
            "ScalingLimited",
            "True",
            "TooFewReplicas",
            "the desired replica count is less than the minimum replica count",
        )
    elif bounded < wanted:
        held = (
            "ScalingLimited",
            "True",
            "TooManyReplicas",
            "the desired replica count is more than the maximum replica count",
        )
    elif wanted != steady:
        held = (
            "ScalingLimited",
            "True",
            "ScaleUpLimit" if steady > wanted else "ScaleDownLimit",
            "the desired replica count changes faster than the scaling policies allow",
        )
    else:
        held = ("ScalingLimited", "False", "DesiredWithinRange", "the desired count is within the acceptable range")
    memory.forget(now - 3600.0)
    return Decision(bounded, (able, held))
