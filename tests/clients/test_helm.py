"""Helm: a chart with a custom kind, a hook and what it looks up is installed, upgraded, rolled back and removed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.apiserver.test_process import Process

CHART = Path(__file__).parent / "chart"
HELM = shutil.which("helm", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")

pytestmark = pytest.mark.skipif(HELM is None, reason="helm is not installed")


class Helm:
    """One namespace's releases."""

    def __init__(self, environment: dict[str, str], namespace: str):
        self.environment = environment
        self.namespace = namespace

    def __call__(self, *words: str, driver: str = "secret", code: int = 0) -> str:
        assert HELM is not None
        done = subprocess.run(
            [HELM, "-n", self.namespace, *words], env={**self.environment, "HELM_DRIVER": driver},
            capture_output=True, text=True, timeout=90, check=False,
        )  # fmt: skip
        assert done.returncode == code, (words, done.stdout, done.stderr)
        return done.stdout + done.stderr

    def states(self, release: str) -> list[str]:
        """The status of each revision."""
        return [r["status"] for r in json.loads(self("history", release, "-o", "json"))]

    def names(self, *, driver: str = "secret") -> list[str]:
        return [release["name"] for release in json.loads(self("list", "-o", "json", driver=driver))]


@pytest.fixture
def helm(environment: dict[str, str], namespace: str) -> Helm:
    return Helm(environment, namespace)


def greeting(server: Process, helm: Helm) -> str:
    with server.client() as client:
        found: str = client.get(f"/api/v1/namespaces/{helm.namespace}/configmaps/shop-config").json()["data"][
            "greeting"
        ]
    return found


def test_a_release_from_install_to_uninstall(server: Process, helm: Helm) -> None:
    assert "Say hello." in helm("install", "shop", str(CHART))
    assert "Cart" in helm("status", "shop", "--show-resources")
    helm("upgrade", "shop", str(CHART), "--set", "greeting=hi")
    assert greeting(server, helm) == "hi"
    helm("upgrade", "shop", str(CHART), "--set", "greeting=never", "--dry-run=server")
    assert greeting(server, helm) == "hi"
    helm("rollback", "shop", "1")
    assert greeting(server, helm) == "hello"
    assert helm.states("shop") == ["superseded", "superseded", "deployed"]
    manifest = helm("get", "manifest", "shop")
    assert 'looked-up: "default"' in manifest
    assert 'version: "v1.37' in manifest
    helm("uninstall", "shop", "--wait", "--timeout", "30s")
    assert "release: not found" in helm("status", "shop", code=1)
    with server.client() as client:
        assert client.get(f"/apis/apps/v1/namespaces/{helm.namespace}/deployments/shop").status_code == 404


def test_a_refused_upgrade_leaves_the_way_back(server: Process, helm: Helm) -> None:
    helm("install", "shop", str(CHART))
    refusal = helm("upgrade", "shop", str(CHART), "--set", "greeting=hi,replicas=-1", code=1)
    assert "spec.replicas: Invalid value: -1: must be greater than or equal to 0" in refusal
    helm("rollback", "shop")
    assert helm.states("shop") == ["superseded", "failed", "deployed"]
    assert greeting(server, helm) == "hello"


def test_releases_are_kept_where_the_driver_says(helm: Helm) -> None:
    helm("install", "one", str(CHART))
    helm("install", "two", str(CHART), driver="configmap")
    assert (helm.names(), helm.names(driver="configmap")) == (["one"], ["two"])


def test_a_rendered_chart_is_applied(server: Process, helm: Helm, environment: dict[str, str]) -> None:
    helm("install", "first", str(CHART))  # its kind is there from now on
    rendered = helm("template", "other", str(CHART))
    applied = server.kubectl("-n", helm.namespace, "apply", "--server-side", "-f", "-", stdin=rendered)
    assert sorted(line.rpartition("/")[0] for line in applied.split() if "/" in line) == [
        "cart.shop.example.com", "configmap", "configmap", "deployment.apps", "service",
    ]  # fmt: skip
