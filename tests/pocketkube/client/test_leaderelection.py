"""One leader at a time, whoever comes, goes or stops renewing."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

from pocketkube.api.meta import errors
from pocketkube.client.leaderelection import LeaderElector
from pocketkube.client.memory_server import MemoryServer
from pocketkube.client.resources import LEASES
from pocketkube.client.rest import Client

Obj = dict[str, Any]


class ManyTimesFaster:
    """A clock on which 100 seconds pass in one."""

    def __init__(self, factor: float = 100.0):
        self._factor = factor

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time() * self._factor

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / self._factor)


class Candidate:
    def __init__(self, client: Client, name: str, leaders: list[str]):
        self.elector = LeaderElector(client, name="lock", identity=name, clock=ManyTimesFaster())
        self.leads = asyncio.Event()
        self.lost = asyncio.Event()
        self._leaders = leaders
        self.task = asyncio.create_task(self.elector.run(self._lead))

    async def _lead(self) -> None:
        self._leaders.append(self.elector.identity)
        self.leads.set()
        try:
            await asyncio.Event().wait()
        finally:
            self._leaders.append(f"-{self.elector.identity}")
            self.lost.set()

    async def stop(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


async def test_one_leads_and_the_next_follows_at_once(server: MemoryServer, client: Client) -> None:
    leaders: list[str] = []
    one = Candidate(client, "one", leaders)
    await asyncio.wait_for(one.leads.wait(), 5)
    two = Candidate(client, "two", leaders)
    await server.wait_for(lambda: sum(r.method == "PUT" for r in server.requests) >= 3)
    assert leaders == ["one"]
    await one.stop()
    await asyncio.wait_for(two.leads.wait(), 5)
    assert leaders == ["one", "-one", "two"]
    lease = server.get(LEASES, "lock", "kube-system")
    assert lease is not None
    assert (lease["spec"]["holderIdentity"], lease["spec"]["leaseDurationSeconds"]) == ("two", 15)
    assert lease["spec"]["leaseTransitions"] >= 1
    await two.stop()


async def test_a_silent_leader_is_replaced_after_its_lease(server: MemoryServer, client: Client) -> None:
    spec = {"holderIdentity": "gone", "leaseDurationSeconds": 15, "renewTime": "2020-01-01T00:00:00.000000Z"}
    server.put(LEASES, {"metadata": {"name": "lock", "namespace": "kube-system"}, "spec": spec})
    clock = asyncio.get_running_loop().time
    started = clock()
    one = Candidate(client, "one", [])
    await asyncio.wait_for(one.leads.wait(), 5)
    assert (clock() - started) * 100 >= 15  # however old it says it is: only what we saw counts
    await one.stop()


async def test_a_leader_that_cannot_renew_steps_down(server: MemoryServer, client: Client) -> None:
    leaders: list[str] = []
    one = Candidate(client, "one", leaders)
    await asyncio.wait_for(one.leads.wait(), 5)
    server.fail("leases/lock", errors.InternalError("etcd is gone"), times=10_000)
    await asyncio.wait_for(one.lost.wait(), 5)
    assert leaders == ["one", "-one"]
    await one.stop()


async def test_a_stolen_lease_ends_leadership(server: MemoryServer, client: Client) -> None:
    one = Candidate(client, "one", [])
    await asyncio.wait_for(one.leads.wait(), 5)
    spec = {"holderIdentity": "thief", "leaseDurationSeconds": 15}
    server.put(LEASES, {"metadata": {"name": "lock", "namespace": "kube-system"}, "spec": spec})
    await asyncio.wait_for(one.lost.wait(), 5)
    lease = server.get(LEASES, "lock", "kube-system")
    assert lease is not None and lease["spec"]["holderIdentity"] == "thief"
    await one.stop()


async def test_of_many_exactly_one_leads(server: MemoryServer, client: Client) -> None:
    leaders: list[str] = []
    candidates = [Candidate(client, f"c{i}", leaders) for i in range(5)]
    for _ in range(4):
        waits = [asyncio.create_task(c.leads.wait()) for c in candidates]
        done, pending = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED, timeout=5)
        assert done
        for wait in pending:
            wait.cancel()
        (leader,) = [c for c in candidates if c.leads.is_set()]
        candidates.remove(leader)
        await leader.stop()
    for candidate in candidates:
        await candidate.stop()
    holding = 0
    for step in leaders:
        holding += -1 if step.startswith("-") else 1
        assert 0 <= holding <= 1
