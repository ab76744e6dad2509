"""One pure function: a deployment, its replica sets and the time in; replica-set writes and the new status out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from controller.conditions import find, with_condition
from controller.loops.deployment import replica_sets as rs
from controller.loops.deployment import rollout, status
from pocketkube.api.meta.times import rfc3339

Obj = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Plan:
    """Writes in order: `create`, `update`s (from, to), `delete`s, then the deployment's status and annotations if changed."""

    create: Obj | None = None
    update: tuple[tuple[Obj, Obj], ...] = ()
    delete: tuple[Obj, ...] = ()
    status: Obj = field(default_factory=dict)
    revision: int = 0  # the deployment's revision annotation; 0 leaves it
    again: float | None = None  # seconds


class _Draft:
    """The sets as they shall be, the deployment's conditions so far."""

    def __init__(self, deployment: Obj, sets: Sequence[Obj], now: datetime):
        self.deployment, self.now = deployment, now
        self.observed = {s["metadata"]["name"]: s for s in sets}
        self.sets = dict(self.observed)
        self.conditions: list[Obj] = list((deployment.get("status") or {}).get("conditions") or ())
        found = rs.find_new(deployment, sets)
        self._new = found["metadata"]["name"] if found is not None else ""
        self.deleted: list[Obj] = []
        self.revision = 0

    @property
    def new(self) -> Obj | None:
        return self.sets.get(self._new)

    @property
    def olds(self) -> list[Obj]:
        return [s for name, s in self.sets.items() if name != self._new]

    def resize(self, sizes: rollout.Sizes) -> bool:
        """True if any set's size changed; annotations of the named sets are refreshed either way."""
        changed = False
        for name, count in sizes.items():
            changed = changed or rs.size(self.sets[name]) != count
            self.sets[name] = rs.resized(self.sets[name], count, self.deployment)
        return changed

    def condition(self, new: Obj) -> None:
        self.conditions = with_condition(self.conditions, new, now=rfc3339(self.now), update_time=True)

    def settle_new(self, *, create: bool) -> None:
        """Gives the new set its revision; makes it if there is none and `create` says so."""
        revision = rs.highest_revision(self.olds) + 1
        has_deadline = status.deadline(self.deployment) is not None
        current = find(self.conditions, "Progressing")
        if self.new is not None:
            self.sets[self._new] = updated = rs.revised(self.new, self.deployment, revision)
            self.revision = rs.number(updated, rs.REVISION)
            if has_deadline and current is None:
                text = f'Found new replica set "{self._new}"'
                self.condition(status.progressing("True", "FoundNewReplicaSet", text))
        elif create:
            made = rs.created(self.deployment, 0, revision)
            made = rs.resized(made, rollout.grown_new(self.deployment, made, [*self.olds, made]), self.deployment)
            self._new = made["metadata"]["name"]
            self.sets[self._new] = made
            self.revision = revision
            if has_deadline:
                text = f'Created new replica set "{self._new}"'
                self.condition(status.progressing("True", "NewReplicaSetCreated", text))

    def clean_up(self) -> None:
        """Marks old empty sets beyond revisionHistoryLimit for deletion, lowest revision first."""
        limit = self.deployment["spec"].get("revisionHistoryLimit")
        if limit is None or limit == 2**31 - 1:
            return
        living = [s for s in self.olds if not s["metadata"].get("deletionTimestamp")]
        surplus = len(living) - limit
        for old in sorted(living, key=lambda s: (rs.number(s, rs.REVISION), *_age(s)))[: max(0, surplus)]:
            observed = (old.get("status") or {}).get("observedGeneration", 0)
            if (
                not rs.size(old)
                and not rs.counted(old, "replicas")
                and old["metadata"].get("generation", 0) <= observed
            ):
                self.deleted.append(old)


def _age(replica_set: Obj) -> tuple[str, str]:
    return replica_set["metadata"].get("creationTimestamp") or "", replica_set["metadata"]["name"]


def plan(deployment: Obj, sets: Sequence[Obj], *, old_pods_run: bool, now: datetime) -> Plan:
    """`sets` are the deployment's own; `old_pods_run` says that pods of outdated sets are not finished (for Recreate)."""
    draft = _Draft(deployment, sets, now)
    if deployment["metadata"].get("deletionTimestamp"):
        return _finish(draft, judge=False)
    _note_pause(draft)
    paused = bool(deployment["spec"].get("paused"))
    if paused or rollout.is_scaling(deployment, sets):
        draft.settle_new(create=False)
        draft.resize(rollout.rescale(deployment, draft.new, draft.olds))
        if paused:
            draft.clean_up()
        return _finish(draft, judge=False)
    if (deployment["spec"].get("strategy") or {}).get("type") == "Recreate":
        _recreate(draft, old_pods_run=old_pods_run)
    else:
        _roll(draft)
    return _finish(draft, judge=True)


def _note_pause(draft: _Draft) -> None:
    if status.deadline(draft.deployment) is None:
        return
    reason = (find(draft.conditions, "Progressing") or {}).get("reason")
    paused = bool(draft.deployment["spec"].get("paused"))
    if reason == "ProgressDeadlineExceeded" or paused == (reason == "DeploymentPaused"):
        return
    word = "Paused" if paused else "Resumed"
    draft.condition(status.progressing("Unknown", f"Deployment{word}", f"Deployment is {word.lower()}"))


def _roll(draft: _Draft) -> None:
    draft.settle_new(create=True)
    assert draft.new is not None
    if draft.resize(rollout.resize_new(draft.deployment, draft.new, [*draft.olds, draft.new])):
        return
    if draft.resize(rollout.shrink_old(draft.deployment, draft.new, draft.olds)):
        return
    _clean_up_if_complete(draft)


def _recreate(draft: _Draft, *, old_pods_run: bool) -> None:
    draft.settle_new(create=False)
    if draft.resize({o["metadata"]["name"]: 0 for o in rs.active(draft.olds)}) or old_pods_run:
        return
    draft.settle_new(create=True)
    assert draft.new is not None
    draft.resize(rollout.resize_new(draft.deployment, draft.new, [draft.new]))
    _clean_up_if_complete(draft)


def _clean_up_if_complete(draft: _Draft) -> None:
    if status.is_complete(draft.deployment, draft.deployment.get("status") or {}):
        draft.clean_up()


def _finish(draft: _Draft, *, judge: bool) -> Plan:
    deployment, now = draft.deployment, draft.now
    final = list(draft.sets.values())
    result = status.counts(deployment, final, draft.new, draft.conditions, now)
    if judge:
        result = status.with_progress(deployment, final, draft.new, result, now)
    fresh = [s for name, s in draft.sets.items() if name not in draft.observed]
    changed = [(draft.observed[n], s) for n, s in draft.sets.items() if n in draft.observed and s != draft.observed[n]]
    gone = {s["metadata"]["name"] for s in draft.deleted}
    return Plan(
        create=fresh[0] if fresh else None,
        update=tuple(c for c in changed if c[0]["metadata"]["name"] not in gone),
        delete=tuple(draft.deleted),
        status=result,
        revision=draft.revision,
        again=status.check_again_in(deployment, result, now) if judge else None,
    )
