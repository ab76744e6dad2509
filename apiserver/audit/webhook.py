"""Events in batches to an HTTP server: EventList objects, tried again with a growing pause, dropped where the queue is full."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from apiserver.configfile import BadFile

if TYPE_CHECKING:
    from pocketkube.client.config import ClientConfig

log = logging.getLogger(__name__)

TRIES = 5
CALL_SECONDS = 30.0
LEAVE_SECONDS = 3.0
_FACTOR = 1.5


@dataclass(frozen=True, kw_only=True)
class Batching:
    """Seconds, and numbers of events."""

    wait: float = 30.0
    size: int = 400
    kept: int = 10_000
    backoff: float = 10.0


class Webhook:
    def __init__(self, config: ClientConfig, batching: Batching):
        self.dropped = 0
        self._config = config
        self._batching = batching
        self._events: deque[bytes] = deque()
        self._sending: asyncio.Task[None] | None = None
        self._on_the_way = 0  # events that were taken and are neither received nor given up
        self._arrived = asyncio.Event()
        self._due = asyncio.Event()  # a batch is full, or old enough

    def write(self, line: bytes) -> bool:
        if len(self._events) >= self._batching.kept:
            self.dropped += 1
            return False
        self._events.append(line)
        self._arrived.set()
        if len(self._events) >= self._batching.size:
            self._due.set()
        return True

    async def run(self) -> None:
        """Send until cancelled; then once more what is left."""
        try:
            while True:
                await self._arrived.wait()
                old = asyncio.get_running_loop().call_later(self._batching.wait, self._due.set)
                await self._due.wait()
                old.cancel()
                self._sending = asyncio.create_task(self._send(self._take()), name="audit batch")
                await asyncio.shield(self._sending)
        finally:
            await self._leave()

    async def _leave(self) -> None:
        """What is on its way arrives, and what is left follows it, in a little time."""
        try:
            async with asyncio.timeout(LEAVE_SECONDS):
                if self._sending is not None:
                    await self._sending
                while self._events:
                    await self._send(self._take())
        except TimeoutError:
            left = self._on_the_way + len(self._events)
            self.dropped += left
            log.warning("%d audit events could not be sent before the end", left)

    def _take(self) -> list[bytes]:
        taken = [self._events.popleft() for _ in range(min(len(self._events), self._batching.size))]
        if not self._events:
            self._arrived.clear()
        if len(self._events) < self._batching.size:
            self._due.clear()
        return taken

    async def _send(self, events: list[bytes]) -> None:
        import httpx

        self._on_the_way = len(events)
        body = b'{"kind":"EventList","apiVersion":"audit.k8s.io/v1","metadata":{},"items":[%b]}' % b",".join(events)
        headers = {"content-type": "application/json"}
        if self._config.token:
            headers["authorization"] = f"Bearer {self._config.token}"
        context = self._config.tls()
        pause = self._batching.backoff
        async with httpx.AsyncClient(verify=context or True, trust_env=False, timeout=CALL_SECONDS) as client:
            for left in reversed(range(TRIES)):
                try:
                    answer = await client.post(self._config.server, content=body, headers=headers)
                    if answer.status_code < 300:
                        self._on_the_way = 0
                        return
                    why = f"it answered {answer.status_code}"
                except httpx.HTTPError as failure:
                    why = str(failure) or type(failure).__name__
                if left:
                    await asyncio.sleep(pause)
                    pause *= _FACTOR
        self._on_the_way = 0
        self.dropped += len(events)
        log.error("%d audit events are lost, the webhook cannot be reached: %s", len(events), why)


def config_of(path: str) -> ClientConfig:
    """A kubeconfig that names the webhook. Raises BadFile."""
    from pocketkube.client import config

    try:
        return config.load(path)
    except config.ConfigError as failure:
        raise BadFile(" ".join(str(failure).split())) from None
