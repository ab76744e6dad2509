"""Objects made from words: what `kubectl create KIND` sends. Each generator is pure but for `token` and `job`, which ask the server."""

from __future__ import annotations

from kubectl.generators import access, bounds, data, network, workloads
from kubectl.generators.generator import Generator

ALL: dict[str, Generator] = {
    **bounds.GENERATORS,
    **data.GENERATORS,
    **workloads.GENERATORS,
    **network.GENERATORS,
    **access.GENERATORS,
}
