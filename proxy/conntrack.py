"""The kernel's memory of UDP flows. UDP has no end of a connection, so a flow keeps its endpoint as long as packets come:
it must be forgotten when its endpoint has gone, or when it was refused until now. Flows to endpoints that stay are kept.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterable, Iterator, Mapping

# A way into a service as options of conntrack: an address of the service, or a node port.
Way = tuple[str, str]
Ways = Mapping[Way, frozenset[str]]  # way -> addresses of its endpoints


def to_address(ip: str) -> Way:
    return "--orig-dst", ip


def to_node_port(port: int) -> Way:
    return "--orig-port-dst", str(port)


def stale(old: Ways, new: Ways) -> Iterator[tuple[str, ...]]:
    """The filters of flows to forget, between two states of one service."""
    for way in old.keys() | new.keys():
        before, after = old.get(way, frozenset()), new.get(way, frozenset())
        if after and not before:
            yield way  # whatever was sent there so far went nowhere
        else:
            for ip in sorted(before - after):
                yield (*way, "--dst-nat", ip)


async def forget(filters: Iterable[tuple[str, ...]]) -> None:
    """Without the program they end by themselves, 30 s after their last packet."""
    program = shutil.which("conntrack")
    for words in filters if program else ():
        process = await asyncio.create_subprocess_exec(
            str(program), "-D", "-p", "udp", *words,
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        await process.wait()
