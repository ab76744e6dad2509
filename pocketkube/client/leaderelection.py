"""One of several equal processes leads at a time, by a Lease: it holds it 15 s, renews it every 2 s, gives up after 10 s without.

Wall clocks of machines differ, so a foreign lease counts as expired when *we* saw it unchanged for its whole duration.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import random
import socket
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import httpx

from pocketkube.api.meta import errors, times
from pocketkube.base.clock import Clock, SystemClock
from pocketkube.client.resources import LEASES
from pocketkube.client.rest import Client

log = logging.getLogger(__name__)

Obj = dict[str, Any]

LEASE_SECONDS, RENEW_SECONDS, RETRY_SECONDS = 15, 10.0, 2.0


def new_identity() -> str:
    """Unique among processes anywhere: `host_uuid`, as upstream."""
    return f"{socket.gethostname()}_{uuid.uuid4()}"


class LeaderElector:
    """run(lead) calls `lead` when we become leader and cancels it when leadership is lost."""

    def __init__(
        self,
        client: Client,
        *,
        name: str,
        namespace: str = "kube-system",
        identity: str | None = None,
        clock: Clock | None = None,
        lease_seconds: int = LEASE_SECONDS,
        renew_seconds: float = RENEW_SECONDS,
        retry_seconds: float = RETRY_SECONDS,
    ):
        self._client, self._name, self._namespace = client, name, namespace
        self.identity = identity or new_identity()
        self._clock = clock or SystemClock()
        self._lease_seconds, self._renew_seconds, self._retry_seconds = lease_seconds, renew_seconds, retry_seconds
        self._seen: Obj | None = None  # the lease as we last saw or wrote it
        self._seen_at = 0.0
        self.leader = ""  # who holds the lease, as far as we know

    @property
    def leads(self) -> bool:
        return self.leader == self.identity

    async def run(self, lead: Callable[[], Awaitable[None]]) -> None:
        """Waits for the lease, runs `lead` while it is ours. Returns when `lead` returned or leadership was lost."""
        await self._acquire()
        log.info("leading: lease=%s/%s identity=%s", self._namespace, self._name, self.identity)
        work = asyncio.ensure_future(lead())
        renewal = asyncio.create_task(self._keep(), name=f"lease {self._name}")
        try:
            await asyncio.wait({work, renewal}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                log.error("leadership lost: lease=%s/%s", self._namespace, self._name)
        finally:
            for task in (work, renewal):
                task.cancel()
            await asyncio.gather(work, renewal, return_exceptions=True)
            await asyncio.shield(self._release())
        if work.done() and not work.cancelled() and (failure := work.exception()) is not None:
            raise failure

    async def _acquire(self) -> None:
        while not await self._try():
            await self._clock.sleep(self._retry_seconds * (1 + 0.2 * random.random()))

    async def _keep(self) -> None:
        """Returns once the lease could not be renewed in time, or someone else has it."""
        renewed = self._clock.monotonic()
        while True:
            await self._clock.sleep(self._retry_seconds)
            if await self._try():
                renewed = self._clock.monotonic()
            elif self.leader != self.identity or self._clock.monotonic() - renewed > self._renew_seconds:
                return

    async def _try(self) -> bool:
        """One attempt to take or renew. Failures of the server mean no."""
        try:
            async with asyncio.timeout(self._renew_seconds / 2):
                return await self._take_or_renew()
        except errors.NotFound:
            return False
        except (errors.StatusError, httpx.HTTPError, OSError, TimeoutError) as e:
            log.debug("lease %s: %s", self._name, e)
            return False

    async def _take_or_renew(self) -> bool:
        if self._seen is not None and self.leads:
            try:
                return await self._write(self._seen)
            except errors.Conflict:
                pass  # someone touched the lease: look at it as it is now
        try:
            lease = await self._client.get(LEASES, self._name, self._namespace)
        except errors.NotFound:
            return await self._write(None)
        spec = lease.get("spec") or {}
        if self._seen is None or (self._seen.get("spec") or {}) != spec:
            self._observe(lease)
        holder = spec.get("holderIdentity") or ""
        age = self._clock.monotonic() - self._seen_at
        if holder not in ("", self.identity) and age < (spec.get("leaseDurationSeconds") or self._lease_seconds):
            return False
        return await self._write(lease)

    async def _write(self, lease: Obj | None) -> bool:
        now = times.micro(self._clock.now())
        old = (lease or {}).get("spec") or {}
        ours = old.get("holderIdentity") == self.identity
        spec = {
            **old,
            "holderIdentity": self.identity,
            "leaseDurationSeconds": self._lease_seconds,
            "acquireTime": old.get("acquireTime", now) if ours else now,
            "renewTime": now,
            "leaseTransitions": (old.get("leaseTransitions") or 0) + (0 if ours or lease is None else 1),
        }
        if lease is None:
            meta = {"name": self._name, "namespace": self._namespace}
            made = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": meta, "spec": spec}
            self._observe(await self._client.create(LEASES, made))
        else:
            self._observe(await self._client.update(LEASES, {**lease, "spec": spec}))
        return True

    async def _release(self) -> None:
        """Lets the next one in at once; if it cannot be said, the lease runs out."""
        if self._seen is None or not self.leads:
            return
        now = times.micro(self._clock.now())
        spec = {
            **self._seen["spec"],
            "holderIdentity": "",
            "leaseDurationSeconds": 1,
            "acquireTime": now,
            "renewTime": now,
        }
        self.leader = ""
        try:
            async with asyncio.timeout(2):
                await self._client.update(LEASES, {**self._seen, "spec": spec})
        except (errors.StatusError, httpx.HTTPError, OSError, TimeoutError) as e:
            log.debug("lease %s is left to run out: %s", self._name, e)

    def _observe(self, lease: Obj) -> None:
        self._seen, self._seen_at = lease, self._clock.monotonic()
        leader = (lease.get("spec") or {}).get("holderIdentity") or ""
        if leader != self.leader:
            self.leader = leader
            log.info("leader of %s/%s: %s", self._namespace, self._name, leader or "none")


def add_flags(parser: argparse.ArgumentParser) -> None:
    """`--leader-elect` and its like, as upstream's components name them."""
    parser.add_argument("--leader-elect", nargs="?", const=True, default=True, type=_boolean)
    parser.add_argument("--leader-elect-resource-name", default="")
    parser.add_argument("--leader-elect-resource-namespace", default="kube-system")


def _boolean(text: str) -> bool:
    if text.lower() not in ("true", "false", "1", "0", "t", "f"):
        raise argparse.ArgumentTypeError(f"{text!r} is neither true nor false")
    return text.lower() in ("true", "1", "t")
