"""What pods ask for together, and the class that follows from it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pocketkube.api.kinds.podspec import resources

Obj = dict[str, Any]


def asks(cpu: str = "0", memory: str = "0", **more: Any) -> Obj:
    return {"resources": {"requests": {"cpu": cpu, "memory": memory}}, **more}


@pytest.mark.parametrize(
    ("spec", "cpu", "memory"),
    [
        pytest.param({"containers": [asks("100m", "1Mi"), asks("1", "1Mi")]}, 1100, 2 << 20, id="sum"),
        pytest.param({"containers": [asks("100m")], "initContainers": [asks("2"), asks("1")]}, 2000, 0, id="largest-init"),
        pytest.param(
            {"containers": [asks("100m")], "initContainers": [asks("1", restartPolicy="Always"), asks("500m")]},
            1500, 0, id="init-beside-sidecar",
        ),
        pytest.param(
            {"containers": [asks("2")], "initContainers": [asks("500m"), asks("1", restartPolicy="Always")]},
            3000, 0, id="sidecar-beside-containers",
        ),
        pytest.param({"containers": [asks("1")], "overhead": {"cpu": "250m"}}, 1250, 0, id="overhead"),
        pytest.param({"containers": [asks("1")], "resources": {"requests": {"cpu": "3"}}}, 3000, 0, id="pod-level"),
    ],
)  # fmt: skip
def test_requests(spec: Obj, cpu: int, memory: int) -> None:
    found = resources.requests({"spec": spec})
    assert (found["cpu"], found.get("memory", 0)) == (cpu, memory)


def test_overhead_adds_to_limits_that_exist_only() -> None:
    spec = {"containers": [{"resources": {"limits": {"memory": "1Mi"}}}], "overhead": {"cpu": "1", "memory": "1Mi"}}
    assert resources.limits({"spec": spec}) == {"memory": 2 << 20}


FULL = {"cpu": "1", "memory": "1Gi"}


@pytest.mark.parametrize(
    ("containers", "expected"),
    [
        pytest.param([{}], "BestEffort", id="nothing"),
        pytest.param([{"resources": {"requests": {"cpu": "0"}}}], "BestEffort", id="zero"),
        pytest.param([{"resources": {"limits": FULL, "requests": FULL}}], "Guaranteed", id="full"),
        pytest.param([{"resources": {"limits": FULL}}], "Guaranteed", id="limits-alone"),
        pytest.param([{"resources": {"limits": FULL}}, {}], "Burstable", id="one-without"),
        pytest.param([{"resources": {"requests": {"cpu": "1"}}}], "Burstable", id="requests-alone"),
        pytest.param(
            [{"resources": {"limits": FULL, "requests": {"cpu": "500m", "memory": "1Gi"}}}], "Burstable", id="less"
        ),
    ],
)
def test_class(containers: list[Obj], expected: str) -> None:
    assert resources.qos_class({"spec": {"containers": containers}}) == expected


@given(
    st.lists(st.tuples(st.integers(0, 4000), st.booleans()), max_size=5),
    st.lists(st.integers(0, 4000), min_size=1, max_size=4),
)
def test_a_pod_never_asks_for_less_than_any_moment_needs(initial: list[tuple[int, bool]], running: list[int]) -> None:
    spec = {
        "containers": [asks(f"{cpu}m") for cpu in running],
        "initContainers": [asks(f"{cpu}m", **({"restartPolicy": "Always"} if stays else {})) for cpu, stays in initial],
    }
    moments = [sum(running) + sum(cpu for cpu, stays in initial if stays)]
    for at, (cpu, stays) in enumerate(initial):
        moments.append(sum(c for c, s in initial[:at] if s) + cpu)
        del stays
    assert resources.requests({"spec": spec})["cpu"] == max(moments)
