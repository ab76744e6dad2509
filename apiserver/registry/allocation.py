"""Service addresses and node ports, each claimed by creating a key in the store: two servers never hand out the same one."""

from __future__ import annotations

import hashlib
import ipaddress
import random
from collections.abc import Iterable, Iterator

from apiserver.storage.interface import KeyExists, KeyMissing, RevisionMismatch, Store

_TRIES = 512
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Taken(Exception):
    """Somebody else holds it."""


class Full(Exception):
    """Nothing is left of the range."""


class Claims:
    """Keys below one prefix, named by what is claimed; the value is the owner."""

    def __init__(self, store: Store, prefix: str):
        self._store = store
        self._prefix = prefix

    async def claim(self, name: str, owner: str) -> None:
        """Raises Taken. Claiming again what one holds is harmless."""
        try:
            await self._store.create(self._prefix + name, owner.encode())
        except KeyExists:
            held = await self._store.get(self._prefix + name)
            if held is None or held.value.decode() != owner:
                raise Taken(name) from None

    async def first(self, names: Iterable[str], owner: str) -> str:
        """Claim one of several. Raises Full where none was free."""
        for name in names:
            try:
                await self._store.create(self._prefix + name, owner.encode())
            except KeyExists:
                continue
            return name
        raise Full

    async def release(self, name: str, owner: str) -> None:
        """Let go of what `owner` holds; what somebody else holds stays."""
        held = await self._store.get(self._prefix + name)
        if held is None or held.value.decode() != owner:
            return
        try:
            await self._store.delete(self._prefix + name, revision=held.revision)
        except (KeyMissing, RevisionMismatch):
            return

    async def held(self) -> dict[str, tuple[str, int]]:
        """Everything claimed: name -> (owner, revision)."""
        page = await self._store.list(self._prefix)
        return {item.key[len(self._prefix) :]: (item.value.decode(), item.revision) for item in page.items}


def addresses(network: Network) -> Iterator[str]:
    """Addresses to try, from the upper part first: the lower is left to those who ask for one by name."""
    size = network.num_addresses - 2
    offset = min(max(16, size // 16), 256) if size > 16 else 0
    base = int(network.network_address) + 1
    for _ in range(_TRIES):
        yield str(ipaddress.ip_address(base + random.randrange(offset, size)))
    for at in range(min(size, 65_536)):
        yield str(ipaddress.ip_address(base + at))


def ports(allowed: range) -> Iterator[str]:
    """Node ports to try, every one once, in an order of chance; the lowest part last, for it is left to explicit requests."""
    offset = min(max(16, len(allowed) // 32), 128) if len(allowed) > 16 else 0
    upper, lower = list(allowed[offset:]), list(allowed[:offset])
    random.shuffle(upper)
    random.shuffle(lower)
    return map(str, (*upper, *lower))


def owner_of(namespace: str, name: str, uid: str) -> str:
    return f"{namespace}/{name}/{hashlib.sha256(uid.encode()).hexdigest()[:16] if uid else ''}"
