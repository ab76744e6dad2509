"""Records in step with the engine: what is seen again changes in place, what is gone has exited, and everyone who waits hears of it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from kubelet.runtime.docker.records import Records
from kubelet.runtime.interface import ContainerRecord, SandboxRecord, State

NOW = datetime(2026, 11, 21, tzinfo=UTC)


def container(state: State = "running", *, exit_code: int = 0) -> ContainerRecord:
    return ContainerRecord(
        id="c1", pod_uid="u1", name="web", attempt=0, state=state, image="web:1", image_id="i1", created_at=NOW,
        started_at=NOW, exit_code=exit_code,
    )  # fmt: skip


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def records(told: list[str]) -> Records:
    made = Records()
    made.subscribe(told.append)
    return made


def test_what_is_seen_again_changes_in_place(records: Records, told: list[str]) -> None:
    first = container()
    records.keep_container(first)
    records.keep_container(container("exited", exit_code=3))
    assert records.find("c1") is first
    assert (first.state, first.exit_code) == ("exited", 3)
    assert told == ["u1", "u1"]


def test_what_is_gone_has_exited_and_leaves_no_trace(records: Records, told: list[str]) -> None:
    held = container()
    records.keep_container(held)
    records.forget("c1")
    assert (held.state, held.exit_code) == ("exited", 137)
    assert held.finished_at is not None
    assert records.of == {} and records.ids() == []
    assert told == ["u1", "u1"]


def test_a_pod_stays_for_as_long_as_something_of_it_does(records: Records) -> None:
    sandbox = SandboxRecord(
        id="s1", pod_uid="u1", pod_name="p", pod_namespace="n", attempt=0, state="running", created_at=NOW
    )
    records.keep_sandbox(sandbox)
    records.keep_container(container())
    records.forget("c1")
    assert records.sandboxes() == [sandbox]


@pytest.mark.parametrize("how", ["dies", "vanishes"])
async def test_who_waits_hears_of_the_end(records: Records, how: str) -> None:
    record = container()
    records.keep_container(record)
    waiting = asyncio.create_task(records.wait_exited(record, None))
    await asyncio.sleep(0)
    if how == "dies":
        records.keep_container(container("exited"))
    else:
        records.forget("c1")
    assert await waiting
    assert await records.wait_exited(record, None)


async def test_who_has_waited_long_enough_waits_no_more(records: Records) -> None:
    record = container()
    records.keep_container(record)
    assert not await records.wait_exited(record, 0)
    records.forget("c1")
