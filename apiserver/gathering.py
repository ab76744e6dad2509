"""The metrics of several processes as one text: counts, sums and gauges added up, what all of them share taken once.

Each worker answers its own text on a socket in the folder of its server; whoever is scraped asks the others.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Iterable
from pathlib import Path

log = logging.getLogger(__name__)

ASK_SECONDS = 2.0
# What every worker says of the same thing: the largest is as good as any.
_SHARED = (
    "apiserver_storage_objects", "apiserver_resource_objects", "kubernetes_build_info", "process_start_time_seconds",
    "process_virtual_memory_max_bytes", "process_max_fds", "apiserver_watch_cache_events_received_total",
)  # fmt: skip


async def answer(folder: str, render: Callable[[], bytes]) -> None:
    """Answer this worker's metrics to the others, until cancelled."""

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            writer.write(render())
            await writer.drain()
        except ConnectionError:
            return
        finally:
            writer.close()

    path = Path(folder, f"{os.getpid()}.sock")
    server = await asyncio.start_unix_server(one, path)
    try:
        await server.serve_forever()
    finally:
        server.close()
        await asyncio.to_thread(path.unlink, missing_ok=True)


async def gather(folder: str, own: bytes) -> bytes:
    """This worker's metrics and the others' as one text; who does not answer in time is left out."""
    others = [path for path in await asyncio.to_thread(_sockets, folder) if path.stem != str(os.getpid())]
    texts = await asyncio.gather(*(_ask(path) for path in others))
    return merge([own, *(text for text in texts if text)])


def _sockets(folder: str) -> list[Path]:
    return sorted(Path(folder).glob("*.sock"))


async def _ask(path: Path) -> bytes:
    try:
        async with asyncio.timeout(ASK_SECONDS):
            reader, writer = await asyncio.open_unix_connection(path)
            try:
                return await reader.read(-1)
            finally:
                writer.close()
    except (OSError, TimeoutError) as failure:
        log.warning("the worker at %s does not tell its metrics: %s", path.name, failure or "it takes too long")
        return b""


def merge(texts: Iterable[bytes]) -> bytes:
    """Prometheus texts added up, sample by sample; families in the order in which they first come."""
    families: dict[bytes, list[bytes]] = {}  # by name: HELP and TYPE
    samples: dict[bytes, dict[bytes, float]] = {}
    for text in texts:
        family = b""
        for line in text.splitlines():
            if line.startswith(b"# "):
                family = line.split(b" ", 3)[2]
                heads = families.setdefault(family, [])
                if len(heads) < 2 and line not in heads:
                    heads.append(line)
            elif line:
                _take(samples.setdefault(family, {}), line)
    lines = []
    for name, heads in families.items():
        lines += heads
        lines += [b"%b %b" % (sample, _number(value)) for sample, value in samples.get(name, {}).items()]
    return b"\n".join([*lines, b""])


def _take(found: dict[bytes, float], line: bytes) -> None:
    sample, _, text = line.rpartition(b" ")
    value = float(text)
    if sample.partition(b"{")[0].decode() in _SHARED:
        found[sample] = max(found.get(sample, value), value)
    else:
        found[sample] = found.get(sample, 0.0) + value


def _number(value: float) -> bytes:
    return repr(value).encode()
