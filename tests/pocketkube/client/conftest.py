"""An API server in memory, and a client of it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from pocketkube.client.config import ClientConfig
from pocketkube.client.memory_server import MemoryServer
from pocketkube.client.rest import Client


@pytest.fixture
async def server() -> AsyncIterator[MemoryServer]:
    async with MemoryServer() as server:
        yield server


@pytest.fixture
async def client(server: MemoryServer) -> AsyncIterator[Client]:
    client = Client(ClientConfig(server=server.url), user_agent="tester")
    yield client
    await client.aclose()
