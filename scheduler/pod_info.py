"""A pod as the scheduler sees it: everything that plugins ask for, read from the object once."""

from __future__ import annotations

import itertools
from collections.abc import Hashable
from functools import lru_cache
from typing import Any, NamedTuple

import orjson

from pocketkube.api.meta.selectors import NOTHING, Requirement, Selector, from_label_selector
from scheduler.requests import Resources, pod_requests, pod_requests_for_scoring

Obj = dict[str, Any]
Port = tuple[str, str, int]  # (host IP, protocol, port)

ANY_IP = "0.0.0.0"


class Term(NamedTuple):
    """One pod (anti-)affinity term: it names pods, and the node label whose equal values make nodes one place."""

    topology_key: str
    selector: Selector
    namespaces: frozenset[str]
    namespace_selector: Selector
    weight: int = 0

    def matches(self, pod: PodInfo, namespace_labels: Obj) -> bool:
        """`namespace_labels` are those of the pod's namespace."""
        if pod.namespace not in self.namespaces and not self.namespace_selector.matches(namespace_labels):
            return False
        return self.selector.matches(pod.labels)


class PodInfo:
    """Immutable but for `pod`, which may be replaced by a newer version of the same object that schedules alike.

    `labels_key` is equal for pods that no selector tells apart, `alike` for those whose terms are equal too. Equal
    tuples of affinity terms are one object."""

    __slots__ = (
        "_scoring", "affinity", "alike", "anti_affinity", "deleting", "key", "labels", "labels_key", "name", "namespace", "pod", "ports",
        "preferred_affinity", "preferred_anti_affinity", "priority", "requests", "spec", "uid",
    )  # fmt: skip

    def __init__(self, pod: Obj):
        meta, spec = pod["metadata"], pod["spec"]
        self.pod, self.spec = pod, spec
        self.name, self.namespace, self.uid = meta["name"], meta.get("namespace", ""), meta.get("uid", "")
        self.key = f"{self.namespace}/{self.name}"
        self.labels: dict[str, str] = meta.get("labels") or {}
        self.deleting = bool(meta.get("deletionTimestamp"))
        self.labels_key = (self.namespace, self.deleting, *sorted(self.labels.items()))
        self.priority: int = spec.get("priority") or 0
        self.requests: Resources = pod_requests(pod)
        self.ports = host_ports(spec)
        self._scoring: tuple[int, int] | None = None
        affinity = spec.get("affinity")
        one = affinity.get("podAffinity") if affinity else None
        other = affinity.get("podAntiAffinity") if affinity else None
        self.affinity, self.preferred_affinity = self._terms(one) if one else ((), ())
        self.anti_affinity, self.preferred_anti_affinity = self._terms(other) if other else ((), ())
        self.alike = _alike(
            (self.labels_key, self.affinity, self.anti_affinity, self.preferred_affinity, self.preferred_anti_affinity)
            if affinity
            else self.labels_key
        )

    @property
    def scoring_requests(self) -> tuple[int, int]:
        if self._scoring is None:
            self._scoring = pod_requests_for_scoring(self.pod)
        return self._scoring

    @property
    def has_terms(self) -> bool:
        return bool(self.anti_affinity) or self.has_preferences

    @property
    def has_preferences(self) -> bool:
        return bool(self.affinity or self.preferred_affinity or self.preferred_anti_affinity)

    @property
    def nominated_node(self) -> str:
        return (self.pod.get("status") or {}).get("nominatedNodeName") or ""

    def _terms(self, affinity: Obj) -> tuple[tuple[Term, ...], tuple[Term, ...]]:
        required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or ()
        preferred = affinity.get("preferredDuringSchedulingIgnoredDuringExecution") or ()
        return (
            _interned(tuple(self._term(t) for t in required)),
            _interned(tuple(self._term(p["podAffinityTerm"], p["weight"]) for p in preferred)),
        )

    def _term(self, term: Obj, weight: int = 0) -> Term:
        selector = _with_own_labels(compiled(term.get("labelSelector")), term, self.labels)
        named = frozenset(term.get("namespaces") or ())
        among = term.get("namespaceSelector")
        if not named and among is None:
            named = frozenset((self.namespace,))
        return Term(term["topologyKey"], selector, named, compiled(among), weight)


_numbers: dict[Hashable, int] = {}
_count = itertools.count(1)


def _alike(key: Hashable) -> int:
    """A number that stands for `key`; after very many a key may get another one, never one that was another's."""
    number = _numbers.get(key)
    if number is None:
        if len(_numbers) > 100_000:
            _numbers.clear()
        number = _numbers[key] = next(_count)
    return number


@lru_cache(maxsize=8192)
def _interned(terms: tuple[Term, ...]) -> tuple[Term, ...]:
    return terms


def _with_own_labels(selector: Selector, term: Obj, labels: dict[str, str]) -> Selector:
    """matchLabelKeys: also equal to (mismatchLabelKeys: unequal to) this pod's own value of those labels."""
    more = [
        Requirement(key, op, frozenset((labels[key],)))
        for part, op in (("matchLabelKeys", "in"), ("mismatchLabelKeys", "notin"))
        for key in term.get(part) or ()
        if key in labels
    ]
    if not more or selector.nothing:
        return selector
    return Selector({*selector.requirements, *more})


def own_labels_selector(selector: Selector, constraint: Obj, labels: dict[str, str]) -> Selector:
    """The selector of a spread constraint with its matchLabelKeys."""
    return _with_own_labels(selector, constraint, labels)


@lru_cache(maxsize=8192)
def _compiled(text: bytes) -> Selector:
    return from_label_selector(orjson.loads(text))


def compiled(selector: Obj | None) -> Selector:
    """from_label_selector with equal ones compiled once; None selects nothing, as does one that makes no sense."""
    if selector is None:
        return NOTHING
    try:
        return _compiled(orjson.dumps(selector))
    except ValueError:
        return NOTHING


def host_ports(spec: Obj) -> tuple[Port, ...]:
    """The node ports that the pod takes, of its containers and sidecars."""
    found: list[Port] = []
    inits = [c for c in spec.get("initContainers") or () if c.get("restartPolicy") == "Always"]
    for container in (*(spec.get("containers") or ()), *inits):
        for port in container.get("ports") or ():
            if port.get("hostPort"):
                found.append((port.get("hostIP") or ANY_IP, port.get("protocol") or "TCP", port["hostPort"]))
    return tuple(found)


def freeze(value: Any) -> Hashable:
    """Any JSON value as something hashable: equal values are equal keys."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS) if value else None
