"""A scheduler without a server: its snapshot is filled by hand, and it is asked where a pod would go."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pocketkube.client.config import ClientConfig
from pocketkube.client.events import EventRecorder
from pocketkube.client.informer import Informers
from pocketkube.client.resources import Resource
from pocketkube.client.rest import Client
from scheduler.framework import Handle, Refusal
from scheduler.messages import summary
from scheduler.pod_info import PodInfo
from scheduler.profile import DEFAULT, Profile
from scheduler.scheduler import Scheduler
from scheduler.snapshot import Snapshot

Obj = dict[str, Any]


class Bench:
    """`bench.nodes(...)`, `bench.pods(...)`, then `bench.where(pod)` or `bench.why(pod)`."""

    def __init__(self, args: dict[str, Obj] | None = None):
        self.client = Client(ClientConfig(server="http://127.0.0.1:1"))
        self.informers = Informers(self.client)
        self.snapshot = Snapshot()
        recorder = EventRecorder(self.client, "default-scheduler")
        self.profile = Profile(Handle(self.snapshot, self.client, self.informers, recorder), [*DEFAULT], args)
        self.scheduler = Scheduler(self.client, self.snapshot, {"default-scheduler": self.profile}, recorder)

    def nodes(self, *nodes: Obj) -> Bench:
        for node in nodes:
            self.snapshot.set_node(node)
        return self

    def pods(self, *pods: Obj) -> Bench:
        for pod in pods:
            self.snapshot.set_pod(pod)
        return self

    def objects(self, resource: Resource, *objects: Obj) -> Bench:
        """Fills an informer's store, as if the server had answered."""
        self.informers.of(resource).replace([*objects])
        return self

    def where(self, pod: Obj) -> str:
        """The node for the pod, "" if none fits."""
        found = self.scheduler._find(PodInfo(pod), self.profile)
        return found if isinstance(found, str) else ""

    def why(self, pod: Obj) -> str:
        found = self.scheduler._find(PodInfo(pod), self.profile)
        if isinstance(found, str):
            return f"fits on {found}"
        _, refusals = found
        if isinstance(refusals, Refusal):
            return ", ".join(refusals.reasons)
        return summary(len(self.snapshot.nodes), refusals.values())

    def fitting(self, pod: Obj) -> list[str]:
        """All nodes that fit."""
        info = PodInfo(pod)
        ranking = self.scheduler._ranking(info, self.profile)
        if isinstance(ranking, Refusal):
            return []
        return sorted(name for name in self.snapshot.nodes if ranking.fits(name))

    def place(self, pod: Obj) -> str:
        """Where the pod goes, and it is there from now on."""
        node = self.where(pod)
        if node:
            self.snapshot.assume(PodInfo(pod), node)
        return node


@pytest.fixture
async def bench() -> Bench:
    return Bench()


@pytest.fixture
async def make_bench() -> Callable[..., Bench]:
    return Bench
