"""Bootstrap tokens: which secrets let a node ask for its identity."""

from __future__ import annotations

import base64

import pytest

from apiserver.authn.bootstrap import BootstrapTokens
from apiserver.memory_cluster import MemoryCluster

TOKEN = "abcdef.0123456789abcdef"
DATA = {
    "token-id": "abcdef",
    "token-secret": "0123456789abcdef",
    "usage-bootstrap-authentication": "true",
    "auth-extra-groups": "system:bootstrappers:kubeadm:default-node-token",
}


def cluster_with(**changes: str) -> MemoryCluster:
    data = {k: v for k, v in {**DATA, **{k.replace("_", "-"): v for k, v in changes.items()}}.items() if v}
    kind = data.pop("type", "bootstrap.kubernetes.io/token")
    encoded = {k: base64.b64encode(v.encode()).decode() for k, v in data.items()}
    meta = {"name": "bootstrap-token-abcdef", "namespace": "kube-system"}
    return MemoryCluster([("", "secrets", {"metadata": meta, "type": kind, "data": encoded})])


async def test_groups_and_name() -> None:
    bearer = await BootstrapTokens(cluster_with()).authenticate(TOKEN)
    assert bearer is not None
    assert bearer.user.name == "system:bootstrap:abcdef"
    assert bearer.user.groups == (
        "system:bootstrappers",
        "system:bootstrappers:kubeadm:default-node-token",
        "system:authenticated",
    )


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        pytest.param({"token_secret": "fedcba9876543210"}, "does not match", id="secret"),
        pytest.param({"token_id": "zzzzzz"}, "does not match", id="id"),
        pytest.param({"usage_bootstrap_authentication": ""}, "not for authentication", id="usage"),
        pytest.param({"expiration": "2020-01-01T00:00:00Z"}, "expired", id="expired"),
        pytest.param({"expiration": "soon"}, "cannot be read", id="unreadable expiration"),
        pytest.param({"auth_extra_groups": "system:masters"}, "must start with", id="a group it must not give"),
        pytest.param({"type": "Opaque"}, "no bootstrap token", id="type"),
    ],
)
async def test_refused(changes: dict[str, str], why: str, caplog: pytest.LogCaptureFixture) -> None:
    """The log says why; whoever tries is told nothing."""
    caplog.set_level("INFO")
    assert await BootstrapTokens(cluster_with(**changes)).authenticate(TOKEN) is None
    assert why in caplog.text


async def test_unknown_and_not_ours() -> None:
    tokens = BootstrapTokens(MemoryCluster())
    assert await tokens.authenticate("no-bootstrap-token") is None
    assert await tokens.authenticate(TOKEN) is None


async def test_ends_when_the_secret_changes() -> None:
    cluster = cluster_with(expiration="2999-01-01T00:00:00Z")
    bearer = await BootstrapTokens(cluster).authenticate(TOKEN)
    assert bearer is not None and bearer.holds is not None and bearer.holds()
    cluster.remove("", "secrets", "kube-system", "bootstrap-token-abcdef")
    assert not bearer.holds()
