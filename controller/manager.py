"""Which loops run, as whom, and the tasks of the process: the health server at once, the loops while we lead."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any

from controller import health
from controller.context import Context, Controller
from controller.identities import Identities
from controller.options import Options
from pocketkube.base import plugins, tasks
from pocketkube.base.clock import Clock, SystemClock
from pocketkube.client.events import EventRecorder
from pocketkube.client.informer import Informers
from pocketkube.client.leaderelection import LeaderElector
from pocketkube.client.resources import Resource
from pocketkube.client.rest import Client

log = logging.getLogger(__name__)

USER_AGENT = "kube-controller-manager"


class UnknownController(ValueError):
    """--controllers names one that is not there."""


def known() -> dict[str, Controller]:
    """Every loop by its name, found in `controller/loops/`."""
    return {c.name: c for c in plugins.scan("controller.loops", "CONTROLLER").values()}


def chosen(wanted: Sequence[str], controllers: Mapping[str, Controller]) -> list[Controller]:
    """What --controllers asks for: `*` is all that are on by default, `name` one more, `-name` one less."""
    names = {alias: c.name for c in controllers.values() for alias in (c.name, *c.aliases)}
    for word in wanted:
        if word != "*" and word.removeprefix("-") not in names:
            raise UnknownController(f'"{word.removeprefix("-")}" is not in the list of known controllers')
    on = {names[w] for w in wanted if w != "*" and not w.startswith("-")}
    off = {names[w.removeprefix("-")] for w in wanted if w.startswith("-")}
    everything = "*" in wanted
    return [c for n, c in controllers.items() if n in on or (everything and c.enabled and n not in off)]


class Manager:
    """One process. run() ends when `stop` is set, or with an exception when leadership is lost."""

    def __init__(self, client: Client, options: Options, *, clock: Clock | None = None):
        self._client, self._options = client, options
        self._clock = clock or SystemClock()
        self._watched: set[Resource] = set()
        self._controllers = chosen(options.controllers, known())

    async def run(self, stop: asyncio.Event) -> None:
        running: dict[str, Coroutine[Any, Any, None]] = {"loops": self._lead_or_wait()}
        if self._options.secure_port:
            running["health"] = health.serve(self._client, self._options, stop=stop)
        await tasks.run_tasks(running, stop=stop)

    async def _lead_or_wait(self) -> None:
        if not self._options.leader_elect:
            await self._run_loops()
            return
        elector = LeaderElector(
            self._client,
            name=self._options.leader_elect_resource_name,
            namespace=self._options.leader_elect_resource_namespace,
            clock=self._clock,
            lease_seconds=int(self._options.leader_elect_lease_duration),
            renew_seconds=self._options.leader_elect_renew_deadline,
            retry_seconds=self._options.leader_elect_retry_period,
        )
        await elector.run(self._run_loops)
        raise RuntimeError("leadership lost")  # a fresh process starts from fresh caches

    async def _run_loops(self) -> None:
        informers = Informers(self._client, clock=self._clock)
        identities = Identities(self._client, clock=self._clock)
        running: dict[str, Coroutine[Any, Any, None]] = {}
        for controller in self._controllers:
            running[controller.name] = controller.start(self._context(controller, informers, identities))
        log.info("running: loops=%d", len(running))
        try:
            await tasks.run_tasks({"informers": informers.run(), "identities": identities.warm(), **running})
        finally:
            await identities.aclose()

    def _context(self, controller: Controller, informers: Informers, identities: Identities) -> Context:
        client = self._client
        if self._options.use_service_account_credentials and controller.service_account:
            client = identities.client(controller.service_account)
        return Context(
            client=client,
            informers=informers,
            events=EventRecorder(
                client, controller.events or controller.service_account or controller.name, clock=self._clock
            ),
            clock=self._clock,
            options=self._options,
            manager_client=self._client,
            watched=self._watched,
        )
