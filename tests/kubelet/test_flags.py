from __future__ import annotations

from pathlib import Path

import pytest

from kubelet import flags


@pytest.mark.parametrize(("text", "expected"), [("10s", 10), ("1h30m", 5400), ("500ms", 0.5), ("5", 5)])
def test_seconds(text: str, expected: float) -> None:
    assert flags.seconds(text) == expected


@pytest.mark.parametrize("text", ["", "x", "5d", "1h-"])
def test_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="duration"):
        flags.seconds(text)


def test_flags() -> None:
    config, _ = flags.parse(
        [
            "--hostname-override=Node-1",
            "--node-labels=a=b,c=d",
            "--register-with-taints=k=v:NoSchedule,x:NoExecute",
            "--eviction-hard=memory.available<1Gi",
            "--cluster-dns=10.96.0.10",
            "--register-node=false",
            "--anonymous-auth",
            "--root-dir=/r",
        ]
    )
    assert config.node_name == "node-1"
    assert config.node_labels == (("a", "b"), ("c", "d"))
    assert config.taints == (("k", "v", "NoSchedule"), ("x", "", "NoExecute"))
    assert config.eviction_hard == (("memory.available", "1Gi"),)
    assert not config.register_node and config.anonymous_auth
    assert config.cert_dir == Path("/r/pki")


def test_flags_win_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(
        "kind: KubeletConfiguration\nmaxPods: 5\nclusterDNS: [1.2.3.4]\nsyncFrequency: 2m\n"
        "authentication: {x509: {clientCAFile: /ca}, anonymous: {enabled: true}}\nevictionHard: {memory.available: 5%}\n"
    )
    config, _ = flags.parse([f"--config={file}", "--max-pods=7"])
    assert (config.max_pods, config.cluster_dns, config.sync_seconds) == (7, ("1.2.3.4",), 120)
    assert (config.client_ca, config.anonymous_auth) == (Path("/ca"), True)
    assert config.eviction_hard == (("memory.available", "5%"),)
    assert flags.to_file(config)["maxPods"] == 7


@pytest.mark.parametrize(
    "arguments", [["--max-pods=x"], ["--no-such-flag"], ["--config=/nowhere"], ["--register-with-taints=k"]]
)
def test_what_means_nothing_ends_with_usage(arguments: list[str]) -> None:
    with pytest.raises(SystemExit):
        flags.parse(arguments)
