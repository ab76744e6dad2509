"""Now and then: what services hold and what is claimed for them is brought in line."""

from __future__ import annotations

import logging

from apiserver.registry.registry import Registry
from apiserver.registry.strategies.services import Services
from apiserver.storage.interface import StoreError

log = logging.getLogger(__name__)

PERIOD_SECONDS = 180.0


async def run(registry: Registry) -> None:
    """Until cancelled."""
    await registry.cache.wait_ready()
    strategy = registry.by_plural("", "services").strategy
    assert isinstance(strategy, Services)
    while True:
        try:
            await strategy.repair()
        except StoreError as failure:
            log.warning("service addresses are looked at later: %s", failure)
        await registry.clock.sleep(PERIOD_SECONDS)
