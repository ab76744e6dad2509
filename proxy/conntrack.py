"""The kernel's memory of flows, which outlives their endpoints. What a service's change makes stale is computed here, purely;
`flows.py` makes the kernel forget it.

UDP has no end of a connection, so a flow keeps its endpoint as long as packets come. A TCP flow that got no answer keeps it for two
minutes: every SYN from the same port, repeated or new, goes where nobody is. Flows to endpoints that stay are kept, and so are TCP
connections that were answered: an endpoint that is ending may still finish them.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import socket
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from proxy import flows
from proxy.flows import Flow, Target

log = logging.getLogger(__name__)

ANYWHERE = b""


class Way(NamedTuple):
    """A way into a service, as packets show it."""

    protocol: int
    address: bytes  # of the service, packed; ANYWHERE for a node port
    port: int


Ways = Mapping[Way, frozenset[Target]]  # way -> its endpoints
Stale = Mapping[Way, frozenset[Target] | None]  # way -> endpoints whose flows must go; None: all flows

PROTOCOLS = {"TCP": socket.IPPROTO_TCP, "UDP": socket.IPPROTO_UDP}  # those whose flows are ever forgotten


def way(protocol: str, address: str, port: int) -> Way:
    """`address` "" is a node port."""
    return Way(PROTOCOLS[protocol], ipaddress.ip_address(address).packed if address else ANYWHERE, port)


def target(address: str, port: int) -> Target:
    return ipaddress.ip_address(address).packed, port


def stale(states: Iterable[tuple[Ways, Ways]]) -> dict[Way, frozenset[Target] | None]:
    """What must be forgotten between the old and the new state of each service."""
    found: dict[Way, frozenset[Target] | None] = {}
    for old, new in states:
        for each in old.keys() | new.keys():
            before, after = old.get(each, frozenset()), new.get(each, frozenset())
            if after and not before and each.protocol == socket.IPPROTO_UDP:
                found[each] = None  # whatever was sent there so far went nowhere
            elif before - after:
                found[each] = before - after
    return found


def is_stale(flow: Flow, gone: Stale) -> bool:
    if flow.protocol == socket.IPPROTO_TCP and not flow.opening:
        return False
    for address in (flow.address, ANYWHERE):
        targets = gone.get(Way(flow.protocol, address, flow.port), frozenset())
        if targets is None or flow.target in targets:
            return True
    return False


async def forget(gone: Stale) -> None:
    """One pass over the kernel's table for all that is stale."""
    if not gone:
        return
    try:
        count = await asyncio.to_thread(flows.forget, {w.protocol for w in gone}, lambda flow: is_stale(flow, gone))
    except OSError as error:
        log.warning("flows to endpoints that went cannot be forgotten: %s", error)
        return
    if count:
        log.info("forgot %d flows to endpoints that went", count)
