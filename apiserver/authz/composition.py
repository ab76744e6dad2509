"""The authorizers of the flags or of a file, made once; those of a file are made anew whenever it changes."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from apiserver.authz import configuration
from apiserver.authz.abac import Policies
from apiserver.authz.chain import AlwaysAllow, AlwaysDeny, Chain
from apiserver.authz.configuration import Mode, Webhook
from apiserver.authz.node import NodeAuthorizer
from apiserver.authz.rbac import RBAC
from apiserver.authz.webhook import WebhookAuthorizer
from apiserver.interfaces import Authorizer, Cluster
from apiserver.remote import Remote
from pocketkube.base.clock import Clock, SystemClock
from pocketkube.client import config as clients

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0


def make(cluster: Cluster, mode: Mode) -> Authorizer:
    """Raises ValueError for what is not there, OSError and ConfigError for files that cannot be used."""
    match mode.type:
        case "RBAC":
            return RBAC(cluster)
        case "Node":
            return NodeAuthorizer(cluster)
        case "AlwaysAllow":
            return AlwaysAllow()
        case "AlwaysDeny":
            return AlwaysDeny()
        case "ABAC":
            if not mode.policy_file:
                raise ValueError("authorization-mode ABAC's authorization policy file not passed")
            return Policies(Path(mode.policy_file).read_bytes().splitlines())
        case "Webhook":
            if mode.webhook is None:
                raise ValueError("authorization-mode Webhook's authorization config file not passed")
            return _webhook(mode.webhook)
    raise ValueError(f'authorization-mode "{mode.type}" is not a valid mode')


def _webhook(given: Webhook) -> WebhookAuthorizer:
    config = clients.load(given.kubeconfig) if given.kubeconfig else clients.in_cluster()
    return WebhookAuthorizer(
        Remote(config, seconds=given.timeout),
        version=given.version,
        authorized_seconds=given.authorized_seconds,
        unauthorized_seconds=given.unauthorized_seconds,
        denies_on_failure=given.denies_on_failure,
        conditions=given.conditions,
    )


class Composition(Chain):
    """The server's `Authorizer`. Authorizers that a changed file still names keep what they know."""

    def __init__(self, cluster: Cluster, modes: Sequence[Mode] = (), *, file: str = "", clock: Clock | None = None):
        super().__init__(())
        self._cluster, self._clock = cluster, clock or SystemClock()
        self._file = Path(file) if file else None
        self._text = self._file.read_text() if self._file else ""
        self._modes: dict[Mode, Authorizer] = {}
        self._take(configuration.parse(self._text) if self._file else tuple(modes))

    async def run(self) -> None:
        """Follow the file; ends at once without one."""
        while self._file is not None:
            await self._clock.sleep(LOOK_SECONDS)
            self.look()

    def look(self) -> None:
        """Take the file as it is now; one that is broken changes nothing."""
        assert self._file is not None
        try:
            text = self._file.read_text()
            if text == self._text:
                return
            self._text = text
            self._take(configuration.parse(text))
        except (OSError, ValueError, clients.ConfigError) as failure:
            log.error("Not taking the changed authorization configuration: %s", failure)
            return
        log.info("The authorization configuration has changed: %s", ", ".join(m.type for m in self._modes))

    async def close(self) -> None:
        for authorizer in self.authorizers:
            if isinstance(authorizer, WebhookAuthorizer):
                await authorizer.close()

    def _take(self, modes: tuple[Mode, ...]) -> None:
        if len(set(modes)) < len(modes):
            raise ValueError("an authorization mode is given twice")
        self._modes = {mode: self._modes.get(mode) or make(self._cluster, mode) for mode in modes}
        self.authorizers = tuple(self._modes.values())
