"""What several programs work out for themselves, each in its own form: they must agree, or one refuses what another allowed."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from kubelet.pods import admission
from pocketkube.api.kinds.podspec import resources
from scheduler.requests import pod_requests

Obj = dict[str, Any]

quantities = st.dictionaries(
    st.sampled_from(["cpu", "memory", "hugepages-2Mi"]), st.sampled_from(["1", "500m", "2", "1Gi", "3e2"]), max_size=3
)
containers = st.builds(
    lambda name, requests, sidecar: {
        "name": name, "resources": {"requests": requests}, **({"restartPolicy": "Always"} if sidecar else {})
    },
    st.sampled_from("abc"), quantities, st.booleans(),
)  # fmt: skip
pods = st.builds(
    lambda main, initial, level, overhead: {
        "metadata": {"name": "p"},
        "spec": {"containers": main, "initContainers": initial, "resources": {"requests": level}, "overhead": overhead},
    },
    st.lists(containers, min_size=1, max_size=3), st.lists(containers, max_size=4), quantities, quantities,
)  # fmt: skip


def asked(total: Obj) -> Obj:
    return {name: number for name, number in total.items() if number}


@given(pods)
def test_what_a_pod_asks_of_a_node(pod: Obj) -> None:
    """The scheduler sets it aside, the kubelet admits by it, the API shows it."""
    assert asked(pod_requests(pod)) == asked(admission.requests(pod)) == asked(resources.requests(pod))
