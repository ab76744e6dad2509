"""The order, the flags, and what the chain costs nobody."""

from __future__ import annotations

import time

import pytest

from apiserver import admission
from apiserver.memory_cluster import MemoryCluster
from tests.apiserver.admission.conftest import pod, request


def test_every_plugin_has_its_place() -> None:
    assert {p.name for p in admission.available().values()} == set(admission.ORDER)


@pytest.mark.parametrize(
    ("enabled", "disabled", "inside", "outside"),
    [
        pytest.param(
            [], [], ["ServiceAccount", "ResourceQuota"], ["NodeRestriction", "AlwaysPullImages"], id="default"
        ),
        pytest.param(["NodeRestriction"], ["ServiceAccount"], ["NodeRestriction"], ["ServiceAccount"], id="flags"),
    ],
)
def test_selection(enabled: list[str], disabled: list[str], inside: list[str], outside: list[str]) -> None:
    names = [p.name for p in admission.build(MemoryCluster(), enabled, disabled).plugins]
    assert set(inside) <= set(names)
    assert not set(outside) & set(names)
    assert names == [n for n in admission.ORDER if n in names]


def test_unknown_plugin() -> None:
    with pytest.raises(ValueError, match="unknown admission plugin Nonsense"):
        admission.build(MemoryCluster(), ["Nonsense"])


async def test_a_plain_pod_is_completed_quickly(cluster: MemoryCluster) -> None:
    chain = admission.build(cluster, ["NodeRestriction"])
    best = 1.0
    for _ in range(300):
        asked = request("CREATE", "pods", pod())
        started = time.perf_counter()
        await chain.mutate(asked)
        await chain.validate(asked)
        best = min(best, time.perf_counter() - started)
    assert best < 60e-6
    assert asked.obj is not None
    spec = asked.obj["spec"]
    assert spec["serviceAccountName"] == "default" and spec["priority"] == 0 and len(spec["tolerations"]) == 2
