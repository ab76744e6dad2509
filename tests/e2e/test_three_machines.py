"""docs/many-hosts.md, word for word, on three machines that are namespaces; and what a machine that cannot join says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import ROOT, until
from tests.e2e.machines import Bridge, Machine
from tests.e2e.refusals import fails_to_join, refuse

BLOCK = re.compile(r"^```sh ([a-z ]+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.fixture
def machines(tmp_path: Path) -> Iterator[dict[str, Machine]]:
    bridge = Bridge("pkt3", "10.178.0")
    made: dict[str, Machine] = {}
    try:
        for number, name in enumerate(("first", "second", "third"), 11):
            made[name] = Machine(name, bridge, number=number, root=tmp_path / name)
        yield made
    finally:
        for machine in made.values():
            machine.remove()
        bridge.remove()


def blocks() -> list[tuple[list[str], str]]:
    """(machines, command) in the page's order."""
    text = (ROOT / "docs" / "many-hosts.md").read_text()
    return [(where.split(), line) for where, body in BLOCK.findall(text) for line in body.strip().splitlines()]


def test_the_page(machines: dict[str, Machine]) -> None:
    first = machines["first"]
    values = {"NODE": "third"}
    try:
        for where, line in blocks():
            for key, value in values.items():
                line = re.sub(rf"\b{key}\b", value, line)
            words = line.split()
            assert words[0] == "./pk", line
            for name in where:
                if name == "third" and words[1] == "join":
                    assert "has a node 'second' already" in fails_to_join(
                        machines[name], *words[2:], "--node-name", "second"
                    )
                out = machines[name].pk(*words[1:])
                if words[1:3] == ["token", "create"]:
                    values["TOKEN"] = out.split()[-1]
                    values["ADDRESS"] = first.address
                    refuse(first, machines["second"], f"https://{first.address}:6443", values["TOKEN"])
                if words[1:4] == ["kubectl", "get", "nodes"]:
                    assert [row.split()[:2] for row in out.splitlines()[1:]] == [
                        ["second", "Ready"],
                        ["third", "Ready"],
                    ]
                    _reach(machines)
                if words[1] == "leave":
                    _gone(first, name)
        assert not list((first.home).glob("*/cluster.json"))
    finally:
        for machine in machines.values():
            if (machine.home / "default").exists():
                machine.pk("down")


def _reach(machines: dict[str, Machine]) -> None:
    """Every worker has its route to the other's pods, and answers DNS."""
    second, third = machines["second"], machines["third"]
    _routed(second, third)
    _routed(third, second)


def _routed(here: Machine, there: Machine) -> None:
    until("the route", lambda: f"via {there.address}" in here.run("ip", "route"), seconds=10)


def _gone(first: Machine, node: str) -> None:
    until("the node to be gone", lambda: node not in first.pk("kubectl", "get", "nodes"), seconds=10)
