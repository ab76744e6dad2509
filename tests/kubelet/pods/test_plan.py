from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from kubelet.pods.plan import Kill, Observed, Plan, plan
from kubelet.runtime.interface import ContainerRecord, PodRecords, SandboxRecord, State
from tests.kubelet.world import container, pod

Obj = dict[str, Any]

NOW = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)


def sandbox(state: State = "running", attempt: int = 0) -> SandboxRecord:
    return SandboxRecord(
        id=f"s{attempt}",
        pod_uid="u",
        pod_name="web",
        pod_namespace="default",
        attempt=attempt,
        state=state,
        created_at=NOW,
    )


def record(name: str, state: State = "running", *, attempt: int = 0, code: int = 0, box: int = 0) -> ContainerRecord:
    return ContainerRecord(
        id=f"{name}{attempt}", pod_uid="u", name=name, attempt=attempt, sandbox_attempt=box, state=state, image="app:1",
        image_id="i", created_at=NOW, started_at=NOW, finished_at=NOW if state == "exited" else None, exit_code=code,
    )  # fmt: skip


def records(*held: SandboxRecord | ContainerRecord) -> PodRecords:
    found = PodRecords()
    for item in held:
        if isinstance(item, SandboxRecord):
            found.sandboxes[item.id] = item
        else:
            found.containers[item.id] = item
    return found


def summary(made: Plan) -> Obj:
    return {
        "kill_pod": made.kill_pod,
        "sandbox": made.new_sandbox,
        "start": [(s.container["name"], s.attempt) for s in made.start],
        "kill": [k.record.name for k in made.kill],
        "waiting": dict(made.waiting),
    }


def expected(**fields: Any) -> Obj:
    return {"kill_pod": False, "sandbox": None, "start": [], "kill": [], "waiting": {}, **fields}


TWO = pod("web", container("a"), container("b"))
INIT = pod("web", container("a"), initContainers=[container("i"), container("j")])
SIDE = pod("web", container("a"), initContainers=[container("s", restartPolicy="Always")], restartPolicy="Never")
ONCE = pod("web", container("a"), restartPolicy="Never")
FAIL = pod("web", container("a"), restartPolicy="OnFailure")


@pytest.mark.parametrize(
    ("obj", "held", "wanted"),
    [
        pytest.param(TWO, (), expected(sandbox=0), id="nothing yet"),
        pytest.param(TWO, (sandbox(),), expected(start=[("a", 0), ("b", 0)]), id="sandbox runs"),
        pytest.param(TWO, (sandbox(), record("a"), record("b")), expected(), id="all runs"),
        pytest.param(TWO, (sandbox(), record("a", "exited"), record("b")), expected(start=[("a", 1)]), id="one exited"),
        pytest.param(
            TWO,
            (sandbox(), record("a", "created"), record("b")),
            expected(start=[("a", 0)]),
            id="created, never started",
        ),
        pytest.param(
            TWO,
            (sandbox("exited"), record("a"), record("b", "exited")),
            expected(kill_pod=True, sandbox=1),
            id="sandbox died",
        ),
        pytest.param(
            TWO, (sandbox("created"),), expected(kill_pod=True, sandbox=0), id="sandbox created, never started"
        ),
        pytest.param(
            TWO,
            (sandbox(attempt=1), record("a", "exited"), record("b", "exited")),
            expected(start=[("a", 1), ("b", 1)]),
            id="new sandbox",
        ),
        pytest.param(INIT, (sandbox(),), expected(start=[("i", 0)]), id="first init"),
        pytest.param(INIT, (sandbox(), record("i")), expected(), id="init runs"),
        pytest.param(INIT, (sandbox(), record("i", "exited")), expected(start=[("j", 0)]), id="second init"),
        pytest.param(
            INIT, (sandbox(), record("i", "exited", code=1)), expected(start=[("i", 1)]), id="failed init again"
        ),
        pytest.param(
            INIT,
            (sandbox(), record("i", "exited"), record("j", "exited")),
            expected(start=[("a", 0)]),
            id="initialized",
        ),
        pytest.param(INIT, (sandbox(), record("a")), expected(), id="init containers removed by hand"),
        pytest.param(SIDE, (sandbox(),), expected(start=[("s", 0)]), id="sidecar first"),
        pytest.param(SIDE, (sandbox(), record("s")), expected(start=[("a", 0)]), id="then the others"),
        pytest.param(
            SIDE, (sandbox(), record("s", "exited"), record("a")), expected(start=[("s", 1)]), id="sidecar again"
        ),
        pytest.param(
            SIDE,
            (sandbox(), record("s"), record("a", "exited")),
            expected(kill_pod=True),
            id="sidecar ends with the others",
        ),
        pytest.param(ONCE, (sandbox(), record("a", "exited", code=1)), expected(kill_pod=True), id="never again"),
        pytest.param(ONCE, (sandbox("exited"), record("a", "exited")), expected(), id="over, sandbox gone"),
        pytest.param(FAIL, (sandbox(), record("a", "exited", code=1)), expected(start=[("a", 1)]), id="failed"),
        pytest.param(FAIL, (sandbox(), record("a", "exited")), expected(kill_pod=True), id="succeeded"),
        pytest.param(
            FAIL,
            (sandbox("exited"), record("a", "exited", code=1)),
            expected(kill_pod=True, sandbox=1),
            id="failed, no sandbox",
        ),
    ],
)
def test_plan(obj: Obj, held: tuple[SandboxRecord | ContainerRecord, ...], wanted: Obj) -> None:
    assert summary(plan(obj, records(*held), Observed())) == wanted


def test_back_off() -> None:
    held = records(sandbox(), record("a", "exited"), record("b"))
    made = plan(TWO, held, Observed(backoff=lambda container, record: 8.0))
    assert summary(made) == expected(waiting={"a": 8.0})


def test_probe_failure_kills() -> None:
    failed = record("a")
    made = plan(TWO, records(sandbox(), failed, record("b")), Observed(failed={failed.id: Kill(failed, "unhealthy")}))
    assert summary(made) == expected(kill=["a"])


def test_counts_of_lost_containers_go_on() -> None:
    made = plan(TWO, records(sandbox(), record("b")), Observed(restarts={"a": 4}))
    assert summary(made) == expected(start=[("a", 5)])


def test_sidecar_that_has_not_started_holds_the_others_back() -> None:
    made = plan(SIDE, records(sandbox(), record("s")), Observed(started=lambda record: False))
    assert summary(made) == expected()


def test_coming_sandbox_counts_as_running() -> None:
    coming = sandbox("created")
    assert summary(plan(TWO, records(coming), Observed(coming=coming))) == expected(start=[("a", 0), ("b", 0)])


def test_ephemeral_containers_start_once() -> None:
    obj = pod("web", container("a"), ephemeralContainers=[container("debug")])
    assert summary(plan(obj, records(sandbox(), record("a")), Observed())) == expected(start=[("debug", 0)])
    ended = records(sandbox(), record("a"), record("debug", "exited"))
    assert summary(plan(obj, ended, Observed())) == expected()
