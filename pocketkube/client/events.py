"""Records Events about objects, never in the caller's way: a bounded queue, one sender, repetition counted as upstream does.

Three rules stand between event() and the wire (client-go's EventCorrelator):
  - spam: one source may say 25 things about one object at once, then one every 5 minutes;
  - aggregation: more than 10 events in 10 minutes that differ in their message only become one
    "(combined from similar events)";
  - counting: an event told again patches count and lastTimestamp of the first instead of making another.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict, deque
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import httpx

from pocketkube.api.meta import errors, times
from pocketkube.base import tasks
from pocketkube.base.clock import Clock, SystemClock
from pocketkube.client.resources import EVENTS
from pocketkube.client.rest import Client

log = logging.getLogger(__name__)

Obj = dict[str, Any]

NORMAL, WARNING = "Normal", "Warning"
QUEUE = 5000  # events waiting for the server; further ones are dropped
CACHE = 4096  # events remembered for counting
SPAM_BURST, SPAM_SECONDS = 25, 300.0
SIMILAR, SIMILAR_SECONDS = 10, 600.0
TRIES = 12
SENDERS = 4


def reference(obj: Obj) -> Obj:
    """An ObjectReference to an object that carries kind and apiVersion."""
    meta = obj["metadata"]
    found = {
        "kind": obj.get("kind", ""),
        "namespace": meta.get("namespace", ""),
        "name": meta["name"],
        "uid": meta.get("uid", ""),
        "apiVersion": obj.get("apiVersion", ""),
        "resourceVersion": meta.get("resourceVersion", ""),
    }
    return {name: value for name, value in found.items() if value}


class EventRecorder:
    """`EventRecorder(client, "kubelet", "node-1").event(pod, "Normal", "Started", "Started container web")`."""

    def __init__(self, client: Client, component: str, host: str = "", *, clock: Clock | None = None):
        self._client, self._component, self._host = client, component, host
        self._clock = clock or SystemClock()
        self._correlator = Correlator()
        self._waiting: deque[tuple[Obj, tuple[Any, ...]]] = deque()
        self._senders: set[asyncio.Task[None]] = set()
        self._dropped = 0
        self._names = 0

    def event(self, obj: Obj, type: str, reason: str, message: str, *, action: str = "", field_path: str = "") -> None:
        """Tells what happened to `obj` (an object, or an ObjectReference with name and kind). Returns at once."""
        involved = reference(obj) if "metadata" in obj else dict(obj)
        if field_path:
            involved["fieldPath"] = field_path
        identity = (self._component, self._host, type, reason, action, *sorted(involved.items()))
        identity = tuple(part for part in identity if not (isinstance(part, tuple) and part[0] == "resourceVersion"))
        if len(self._waiting) >= QUEUE:
            if not self._dropped:
                log.warning("too many events at once: some are dropped")
            self._dropped += 1
            return
        self._waiting.append(
            (self._event(involved, type=type, reason=reason, message=message, action=action), identity)
        )
        if len(self._senders) < SENDERS and len(self._senders) < len(self._waiting):
            sender = tasks.spawn(f"events of {self._component}", self._send())
            self._senders.add(sender)
            sender.add_done_callback(self._senders.discard)

    async def flush(self) -> None:
        """Waits until all that was recorded is sent or given up."""
        while self._senders:
            await asyncio.wait({*self._senders})

    def _event(self, involved: Obj, *, type: str, reason: str, message: str, action: str) -> Obj:
        now = self._clock.now()
        self._names += 1
        stamp = times.rfc3339(now)
        source = {"component": self._component, "host": self._host} if self._host else {"component": self._component}
        unique = int(now.timestamp() * 1_000_000) * 1000 + self._names % 1000
        made: Obj = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {
                "name": f"{involved.get('name', '')[:230]}.{unique:x}",
                "namespace": involved.get("namespace") or "default",
            },
            "involvedObject": involved,
            "reason": reason,
            "message": message if len(message) <= 1024 else message[:1021] + "...",
            "source": source,
            "firstTimestamp": stamp,
            "lastTimestamp": stamp,
            "count": 1,
            "type": type,
            "reportingComponent": self._component,
            "reportingInstance": self._host,
        }
        if action:
            made["action"] = action
        return made

    async def _send(self) -> None:
        """Sends until nothing waits."""
        while self._waiting:
            event, identity = self._waiting.popleft()
            known = self._correlator.correlate(event, identity, self._clock.monotonic())
            if known is None:
                continue
            for attempt in range(TRIES):
                if await self._deliver(known):
                    break
                await self._clock.sleep(min(10.0, 0.5 * 2**attempt))
            if not self._waiting and self._dropped:
                log.warning("events dropped: count=%d", self._dropped)
                self._dropped = 0

    async def _deliver(self, known: Known) -> bool:
        """False if another try makes sense: the server was not reached."""
        try:
            async with known.lock:
                await self._create_or_count(known)
        except errors.StatusError as e:
            log.log(
                logging.DEBUG if _expected(e) else logging.WARNING,
                "event refused: %s: %s",
                known.event["reason"],
                e,
            )
        except (httpx.HTTPError, OSError):
            return False
        return True

    async def _create_or_count(self, known: Known) -> None:
        event, meta = known.event, known.event["metadata"]
        if known.stored and event["count"] > 1:
            told = {"count": event["count"], "lastTimestamp": event["lastTimestamp"], "message": event["message"]}
            try:
                await self._client.patch(EVENTS, meta["name"], told, namespace=meta["namespace"], type="strategic")
                return
            except errors.NotFound:
                pass  # it expired: a new one carries the count on
        with suppress(errors.AlreadyExists):  # an earlier try arrived, and its answer got lost
            await self._client.create(EVENTS, event)
        known.stored = True


def _expected(e: errors.StatusError) -> bool:
    """A namespace that is gone or going takes no events: nobody needs to read about it."""
    return isinstance(e, errors.NotFound | errors.AlreadyExists) or "being terminated" in e.message


@dataclass(slots=True)
class Known:
    """An event told before: the object on the server (its name, first time and count) and whether it got there."""

    event: Obj
    stored: bool = False
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Correlator:
    """Decides what becomes of an event. Pure but for its memory, which is bounded."""

    def __init__(self) -> None:
        self._spam: OrderedDict[tuple[Any, ...], tuple[float, float]] = OrderedDict()  # tokens left, at
        self._similar: OrderedDict[tuple[Any, ...], tuple[set[str], float]] = OrderedDict()  # messages, last at
        self._known: OrderedDict[tuple[Any, ...], Known] = OrderedDict()

    def correlate(self, event: Obj, identity: tuple[Any, ...], now: float) -> Known | None:
        """What to send: the known event with a new count, or a fresh one; None for spam. `now` in seconds."""
        message = event["message"]
        if self._combine(identity, message, now):
            message = "(combined from similar events): " + message
            key: tuple[Any, ...] = (*identity, None)
        else:
            key = (*identity, message)
        if not self._may_speak(_about(identity, event), now):
            return None
        known: Known | None = _touch(self._known, key)
        if known is None:
            known = self._known[key] = Known({**event, "message": message})
            _trim(self._known)
        else:
            known.event["count"] += 1
            known.event["lastTimestamp"] = event["lastTimestamp"]
            known.event["message"] = message
        return known

    def _combine(self, identity: tuple[Any, ...], message: str, now: float) -> bool:
        messages: set[str]
        messages, at = _touch(self._similar, identity) or (set(), now)
        if now - at > SIMILAR_SECONDS:
            messages = set()
        if len(messages) < SIMILAR:
            messages.add(message)
        combine = message not in messages
        self._similar[identity] = (messages, now)
        _trim(self._similar)
        return combine

    def _may_speak(self, who: tuple[Any, ...], now: float) -> bool:
        tokens, at = _touch(self._spam, who) or (float(SPAM_BURST), now)
        tokens = min(float(SPAM_BURST), tokens + (now - at) / SPAM_SECONDS)
        self._spam[who] = (tokens - 1 if tokens >= 1 else tokens, now)
        _trim(self._spam)
        return tokens >= 1


def _about(identity: tuple[Any, ...], event: Obj) -> tuple[Any, ...]:
    """Who speaks of what: the source and the object."""
    involved = event["involvedObject"]
    named = (involved.get(part, "") for part in ("kind", "namespace", "name", "uid", "apiVersion"))
    return (*identity[:2], *named)


def _touch(cache: OrderedDict[tuple[Any, ...], Any], key: tuple[Any, ...]) -> Any:
    if key in cache:
        cache.move_to_end(key)
    return cache.get(key)


def _trim(cache: OrderedDict[tuple[Any, ...], Any]) -> None:
    while len(cache) > CACHE:
        cache.popitem(last=False)
