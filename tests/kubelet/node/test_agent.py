"""How long an engine may be away."""

from __future__ import annotations

from pathlib import Path

import pytest

from kubelet.config import KubeletConfig
from kubelet.node.agent import GRACE_SECONDS, NodeAgent, too_old
from kubelet.runtime.memory import MemoryRuntime
from pocketkube.base.clock import FakeClock
from pocketkube.client.config import ClientConfig
from pocketkube.client.rest import Client


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def engine(clock: FakeClock) -> MemoryRuntime:
    return MemoryRuntime(clock)


@pytest.fixture
def agent(clock: FakeClock, engine: MemoryRuntime, tmp_path: Path) -> NodeAgent:
    config = KubeletConfig(node_name="n", root_dir=tmp_path)
    return NodeAgent(config, Client(ClientConfig(server="https://192.0.2.1"), user_agent="t"), engine, clock)


async def test_an_engine_that_was_never_there_is_a_problem_at_once(agent: NodeAgent, engine: MemoryRuntime) -> None:
    engine.down = "cannot connect"
    assert agent.facts().problem == "container runtime is down: cannot connect"


async def test_an_engine_may_be_away_for_a_while(agent: NodeAgent, engine: MemoryRuntime, clock: FakeClock) -> None:
    assert agent.facts().problem == ""
    engine.down = "the daemon closed its event stream"
    assert agent.facts().problem == ""
    clock.advance(GRACE_SECONDS + 1)
    assert "container runtime is down" in agent.facts().problem
    engine.down = ""
    assert agent.facts().problem == ""
    engine.down = "away again"
    assert agent.facts().problem == ""


async def test_a_lost_network_is_told_at_once(agent: NodeAgent, engine: MemoryRuntime) -> None:
    assert agent.facts().problem == ""
    engine.down = "pod network 10.0.0.0/24: gone"
    assert "NetworkPluginNotReady" in agent.facts().problem


@pytest.mark.parametrize(
    ("version", "expected"),
    [("19.03.15", True), ("1.13.1", True), ("20.10.24+dfsg1", False), ("28.2.2", False), ("", False), ("dev", False)],
)
def test_an_engine_may_be_too_old(version: str, expected: bool) -> None:
    assert too_old(version) is expected
