"""Who this server is towards webhooks: users of a kubeconfig that are named by the hosts they are for.

A name is a host with or without a port, `*.domain`, or `*` for all others.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from apiserver import configfile
from apiserver.configfile import BadFile
from pocketkube.client import config as clients
from pocketkube.client.config import ClientConfig, ConfigError
from pocketkube.client.credentials import Credentials

Obj = dict[str, Any]

# apiVersion -> kind
KINDS = {
    "apiserver.config.k8s.io/v1": "WebhookAdmissionConfiguration",
    "apiserver.config.k8s.io/v1alpha1": "WebhookAdmission",
}


class Identity(NamedTuple):
    name: str
    config: ClientConfig
    credentials: Credentials

    async def headers(self) -> list[tuple[bytes, bytes]]:
        """Raises ConfigError where a token cannot be had."""
        written = await self.credentials.authorization()
        found = [(b"authorization", written)] if written else []
        if self.config.impersonate:
            found.append((b"impersonate-user", self.config.impersonate.encode()))
            found += [(b"impersonate-group", group.encode()) for group in self.config.impersonate_groups]
        return found

    def stamp(self) -> tuple[int, ...]:
        """Another one when a certificate was renewed on disk."""
        files = (self.config.cert_file, self.config.key_file)
        return tuple(os.stat(file).st_mtime_ns if file and os.path.exists(file) else 0 for file in files)


class Identities:
    def __init__(self, users: Mapping[str, Identity], current: str = ""):
        self._users, self._current = users, current

    def towards(self, host: str) -> Identity | None:
        """Of `host:port`, or a host alone, which means port 443; None for a stranger."""
        if not self._users:
            return None
        for name in _names(host):
            if name in self._users:
                return self._users[name]
        return self._users.get(self._current)


STRANGER = Identities({})  # towards everybody


def _names(host: str) -> Iterator[str]:
    """What a user for it may be called, the closest first."""
    bare, colon, port = host.rpartition(":")
    if not colon or not port.isdigit():
        bare, port = host, "443"
    for target in (f"{bare}:{port}", bare) if port == "443" else (f"{bare}:{port}",):
        yield target
        _, dot, rest = target.partition(".")
        while dot:
            yield f"*.{rest}"
            _, dot, rest = rest.partition(".")
    yield "*"


def load(configured: tuple[str, Obj] | None) -> Identities:
    """As the configuration of a webhook plugin says: (where it stands, it). Raises BadFile."""
    if configured is None:
        return STRANGER
    path, config = configured
    kind = KINDS.get(str(config.get("apiVersion")), KINDS["apiserver.config.k8s.io/v1"])
    configfile.check(config, path, kind, tuple(KINDS))
    configfile.only(config, path, "", ("kind", "apiVersion", "kubeConfigFile"))
    file = str(config.get("kubeConfigFile") or "")
    if not os.path.isabs(file):
        raise BadFile(f'{path}: kubeConfigFile: Invalid value: "{file}": must be an absolute file path')
    try:
        return _of_kubeconfig(clients.read_kubeconfig([Path(file)]))
    except (ConfigError, ValueError) as failure:
        raise BadFile(f"{path}: kubeConfigFile: {' '.join(str(failure).split())}") from None


def _of_kubeconfig(data: Obj) -> Identities:
    users = {}
    for entry in data["users"]:
        name = str(entry.get("name"))
        config = _config_of(entry)
        users[name] = Identity(name, config, Credentials(config))
    contexts = {c.get("name"): c.get("context") or {} for c in data["contexts"]}
    current = contexts.get(data.get("current-context")) or {}
    return Identities(users, str(current.get("user") or ""))


def _config_of(entry: Obj) -> ClientConfig:
    """A user alone: where its webhook is, others say."""
    name = entry.get("name")
    whole = {
        "clusters": [{"name": "webhook", "cluster": {"server": "https://webhook"}}],
        "users": [entry],
        "contexts": [{"name": "webhook", "context": {"cluster": "webhook", "user": name}}],
        "current-context": "webhook",
    }
    return clients.from_kubeconfig(whole)
