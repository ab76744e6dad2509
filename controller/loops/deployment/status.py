"""A deployment's status: counts, Available, Progressing and ReplicaFailure, as upstream words them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from controller.conditions import find, with_condition, without
from controller.loops.deployment.replica_sets import bounds, counted, total, wanted
from pocketkube.api.meta import times
from pocketkube.api.meta.times import rfc3339

Obj = dict[str, Any]

_NO_DEADLINE = 2**31 - 1
_KEPT_AT_ZERO = {"terminatingReplicas", "collisionCount"}


def deadline(deployment: Obj) -> int | None:
    """progressDeadlineSeconds, None if rollouts may take for ever."""
    seconds = deployment["spec"].get("progressDeadlineSeconds")
    return None if seconds is None or seconds == _NO_DEADLINE else int(seconds)


def counts(deployment: Obj, sets: Sequence[Obj], new: Obj | None, conditions: Iterable[Obj], now: datetime) -> Obj:
    """The status with fresh numbers and the Available condition; the other conditions as given."""
    available = total(sets, "availableReplicas")
    _, unavailable = bounds(deployment)
    status: Obj = {
        "observedGeneration": deployment["metadata"].get("generation", 0),
        "replicas": total(sets, "replicas"),
        "updatedReplicas": counted(new, "replicas") if new is not None else 0,
        "readyReplicas": total(sets, "readyReplicas"),
        "availableReplicas": available,
        "unavailableReplicas": max(0, total(sets) - available),
        "terminatingReplicas": total(sets, "terminatingReplicas"),
        "collisionCount": (deployment.get("status") or {}).get("collisionCount"),
    }
    status = {k: v for k, v in status.items() if v or (k in _KEPT_AT_ZERO and v is not None)}
    enough = available >= wanted(deployment) - unavailable
    condition = {
        "type": "Available",
        "status": "True" if enough else "False",
        "reason": "MinimumReplicasAvailable" if enough else "MinimumReplicasUnavailable",
        "message": f"Deployment {'has' if enough else 'does not have'} minimum availability.",
    }
    status["conditions"] = with_condition(conditions, condition, now=rfc3339(now), update_time=True)
    return status


def progressing(status: str, reason: str, message: str) -> Obj:
    return {"type": "Progressing", "status": status, "reason": reason, "message": message}


def is_complete(deployment: Obj, status: Obj) -> bool:
    count = wanted(deployment)
    return bool(
        status.get("updatedReplicas", 0) == count
        and status.get("replicas", 0) == count
        and status.get("availableReplicas", 0) == count
        and status.get("observedGeneration", 0) >= deployment["metadata"].get("generation", 0)
    )


def _has_progressed(old: Obj, new: Obj) -> bool:
    def outdated(status: Obj) -> int:
        return int(status.get("replicas", 0)) - int(status.get("updatedReplicas", 0))

    rising = ("updatedReplicas", "readyReplicas", "availableReplicas")
    return outdated(new) < outdated(old) or any(new.get(f, 0) > old.get(f, 0) for f in rising)


def _has_timed_out(deployment: Obj, current: Obj | None, now: datetime) -> bool:
    seconds = deadline(deployment)
    if seconds is None or current is None or current.get("reason") == "NewReplicaSetAvailable":
        return False
    if current.get("reason") == "ProgressDeadlineExceeded":
        return True
    return times.parse(current["lastUpdateTime"]) + timedelta(seconds=seconds) < now


def with_progress(deployment: Obj, sets: Sequence[Obj], new: Obj | None, status: Obj, now: datetime) -> Obj:
    """`status` with Progressing judged against the stored status, and ReplicaFailure taken from the replica sets."""
    conditions = status["conditions"]
    if deadline(deployment) is None:
        conditions = without(conditions, "Progressing")
    else:
        conditions = _judged(deployment, new, status, now)
    failure = _replica_failure(sets, new)
    if failure is None:
        conditions = without(conditions, "ReplicaFailure")
    else:
        conditions = with_condition(conditions, failure, now=rfc3339(now), update_time=True)
    return {**status, "conditions": conditions}


def _judged(deployment: Obj, new: Obj | None, status: Obj, now: datetime) -> list[Obj]:
    conditions: list[Obj] = status["conditions"]
    current = find(conditions, "Progressing")
    old = deployment.get("status") or {}
    settled = status.get("replicas", 0) == status.get("updatedReplicas", 0)
    if settled and current is not None and current.get("reason") == "NewReplicaSetAvailable":
        return conditions
    name = deployment["metadata"]["name"]
    subject = f'ReplicaSet "{new["metadata"]["name"]}"' if new is not None else f'Deployment "{name}"'
    stamp = rfc3339(now)
    if is_complete(deployment, status):
        done = progressing("True", "NewReplicaSetAvailable", f"{subject} has successfully progressed.")
        return with_condition(conditions, done, now=stamp, update_time=True)
    if _has_progressed(old, status):
        moving = progressing("True", "ReplicaSetUpdated", f"{subject} is progressing.")
        since = current.get("lastTransitionTime") if current and current["status"] == "True" else None
        fresh = {**moving, "lastUpdateTime": stamp, "lastTransitionTime": since or stamp}
        return [*without(conditions, "Progressing"), fresh]
    if _has_timed_out(deployment, current, now):
        stuck = progressing("False", "ProgressDeadlineExceeded", f"{subject} has timed out progressing.")
        return with_condition(conditions, stuck, now=stamp, update_time=True)
    return conditions


def _replica_failure(sets: Sequence[Obj], new: Obj | None) -> Obj | None:
    for replica_set in ([new] if new is not None else []) + list(sets):
        found = find((replica_set.get("status") or {}).get("conditions"), "ReplicaFailure")
        if found is not None:
            return {k: found[k] for k in ("type", "status", "reason", "message") if k in found}
    return None


def check_again_in(deployment: Obj, status: Obj, now: datetime) -> float | None:
    """Seconds until the progress deadline passes, None if nothing is pending."""
    current = find(status.get("conditions"), "Progressing")
    seconds = deadline(deployment)
    if seconds is None or current is None or is_complete(deployment, status):
        return None
    if current.get("reason") in ("ProgressDeadlineExceeded", "DeploymentPaused"):
        return None
    since = times.parse(current["lastUpdateTime"])
    return max(0.0, (since + timedelta(seconds=seconds) - now).total_seconds()) + 1.0
