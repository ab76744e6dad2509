"""Kubeconfigs: contexts, merging, relative files, data, and clear words for what is missing."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
import yaml

from pocketkube.client import config
from pocketkube.client.config import ConfigError, load

Obj = dict[str, Any]


def kubeconfig(**more: Any) -> Obj:
    return {
        "clusters": [
            {"name": "one", "cluster": {"server": "https://one:6443/", "certificate-authority": "ca.crt"}},
            {"name": "two", "cluster": {"server": "https://two", "insecure-skip-tls-verify": True}},
        ],
        "users": [
            {"name": "cert", "user": {"client-certificate-data": _b64(b"C"), "client-key-data": _b64(b"K")}},
            {"name": "token", "user": {"token": "t"}},
        ],
        "contexts": [
            {"name": "a", "context": {"cluster": "one", "user": "cert", "namespace": "team"}},
            {"name": "b", "context": {"cluster": "two", "user": "token"}},
        ],
        "current-context": "a",
        **more,
    }


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def write(path: Path, data: Obj) -> str:
    path.write_text(yaml.safe_dump(data))
    return str(path)


def test_the_current_context(tmp_path: Path) -> None:
    found = load(write(tmp_path / "config", kubeconfig()))
    assert (found.server, found.namespace) == ("https://one:6443", "team")
    assert (found.cert_data, found.key_data) == (b"C", b"K")
    assert found.ca_file == str(tmp_path / "ca.crt")


def test_another_context(tmp_path: Path) -> None:
    found = load(write(tmp_path / "config", kubeconfig()), context="b")
    assert (found.server, found.namespace, found.token, found.insecure) == ("https://two", "default", "t", True)


def test_several_files_are_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = write(tmp_path / "first", {"current-context": "b", "users": [{"name": "token", "user": {"token": "mine"}}]})
    second = write(tmp_path / "second", kubeconfig())
    monkeypatch.setenv("KUBECONFIG", f"{first}:{second}:{tmp_path}/missing")
    assert load().token == "mine"


def test_in_a_pod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "SERVICE_ACCOUNT", tmp_path)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    monkeypatch.delenv("KUBECONFIG", raising=False)
    (tmp_path / "token").write_text("t")
    (tmp_path / "namespace").write_text("ns\n")
    found = load()
    assert (found.server, found.namespace) == ("https://10.96.0.1:443", "ns")
    assert found.token_file == str(tmp_path / "token")


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        pytest.param(kubeconfig(**{"current-context": "zzz"}), 'context "zzz" does not exist', id="context"),
        pytest.param(kubeconfig(**{"current-context": ""}), "no current-context", id="no-context"),
        pytest.param(kubeconfig(clusters=[]), 'cluster "one" does not exist', id="cluster"),
        pytest.param(kubeconfig(users=[]), 'user "cert" does not exist', id="user"),
        pytest.param(
            kubeconfig(clusters=[{"name": "one", "cluster": {}}]), 'cluster "one" has no server', id="no-server"
        ),
    ],
)
def test_what_is_missing(tmp_path: Path, data: Obj, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        load(write(tmp_path / "config", data))


def test_no_file_and_no_yaml(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such kubeconfig"):
        load(str(tmp_path / "none"))
    bad = tmp_path / "bad"
    bad.write_text("{")
    with pytest.raises(ConfigError, match="is not YAML"):
        load(str(bad))
