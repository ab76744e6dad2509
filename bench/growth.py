"""How the cost of a request grows with what the server holds: objects of the resource asked, and watchers."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace

from bench import watching
from bench.connection import MERGE
from bench.load import Asked, Load, Row
from bench.rows import NAMESPACE

MAPS = f"/api/v1/namespaces/{NAMESPACE}/configmaps"
REQUESTS = 1000


def config_map(name: str, number: int) -> bytes:
    metadata = {"name": name, "labels": {"number": str(number), "tenth": str(number % 10)}}
    data = {"text": "x" * 200}
    return json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}).encode()


async def of_objects(load: Load, sizes: Sequence[int]) -> AsyncIterator[Row]:
    """Rows named "get at 1000", and so on, for each size in rising order. The objects stay."""
    there = 0
    for size in sorted(sizes):
        row = await load.run("", size - there, _creating(there))
        yield replace(row, name=f"create up to {size}")
        there = size
        for name, make in _asked(max(1, size // REQUESTS)).items():
            row = await load.run(name, 100 if name.startswith("page") else min(REQUESTS, size), make)
            yield replace(row, name=f"{name} at {size}")


def _creating(first: int) -> Callable[[int], Asked]:
    return lambda i: ("POST", MAPS, config_map(f"map-{first + i}", first + i))


def _asked(step: int) -> dict[str, Callable[[int], Asked]]:
    """What is asked of every `step`th object."""
    return {
        "get": lambda i: ("GET", f"{MAPS}/map-{i * step}"),
        "select": lambda i: ("GET", f"{MAPS}?labelSelector=number%3D{i * step}"),
        "page of 500": lambda i: ("GET", f"{MAPS}?limit=500"),
        "patch": lambda i: ("PATCH", f"{MAPS}/map-{i * step}", b'{"data":{"more":"%d"}}' % i, MERGE),
    }


async def of_watchers(load: Load, counts: Sequence[int]) -> AsyncIterator[Row]:
    """An event's cost at each of so many watchers; fewer events the more watchers there are."""
    for number in range(watching.OBJECTS):
        await load.one.ask("POST", MAPS, config_map(f"watched-{number}", number))
    for count in sorted(counts):
        events = min(1000, max(100, 20_000 // count))
        yield await watching.fan_out(load, MAPS, "watched-", watchers=count, events=events)
