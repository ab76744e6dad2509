from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from kubelet.pods.images import credentials, pull_policy, registry


@pytest.mark.parametrize(
    ("image", "stated", "expected"),
    [
        pytest.param("app", None, "Always", id="no tag"),
        pytest.param("app:latest", None, "Always", id="latest"),
        pytest.param("app:1", None, "IfNotPresent", id="tag"),
        pytest.param("host:5000/app", None, "Always", id="port is no tag"),
        pytest.param("app@sha256:" + "0" * 64, None, "IfNotPresent", id="digest"),
        pytest.param("app", "Never", "Never", id="stated"),
    ],
)
def test_pull_policy(image: str, stated: str | None, expected: str) -> None:
    assert pull_policy({"image": image, "imagePullPolicy": stated}) == expected


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("app", "docker.io"),
        ("library/app:1", "docker.io"),
        ("ghcr.io/a/b", "ghcr.io"),
        ("localhost/a", "localhost"),
        ("h:5000/a", "h:5000"),
    ],
)
def test_registry(image: str, expected: str) -> None:
    assert registry(image) == expected


def secret(**servers: dict[str, str]) -> dict[str, Any]:
    content = json.dumps({"auths": servers}).encode()
    return {"data": {".dockerconfigjson": base64.b64encode(content).decode()}}


def test_credentials_of_the_longest_match_come_first() -> None:
    auth = base64.b64encode(b"me:pw").decode()
    held = secret(
        **{"ghcr.io": {"username": "all", "password": "x"}, "https://ghcr.io/team/": {"auth": auth}, "other": {}}
    )
    assert credentials("ghcr.io/team/app:1", [held]) == [
        {"username": "me", "password": "pw"},
        {"username": "all", "password": "x"},
    ]


def test_credentials_of_the_hub() -> None:
    held = secret(**{"https://index.docker.io/v1/": {"username": "u", "password": "p"}})
    assert credentials("app:1", [held]) == [{"username": "u", "password": "p"}]
    assert credentials("ghcr.io/app", [held]) == []


def test_broken_secret_is_passed_over() -> None:
    assert credentials("app", [{"data": {".dockerconfigjson": "%%%"}}]) == []
