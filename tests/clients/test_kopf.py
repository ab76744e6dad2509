"""An operator written with kopf: handlers, finalizers, timers, events and admission webhooks against our API server."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.apiserver.test_process import Process
from tests.clients.manifests import definition
from tests.conftest import free_port

Obj = dict[str, Any]
PROGRAM = Path(__file__).parent / "operator_of_plots.py"
WEBHOOKS = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/operator.example.com"


def until(what: str, look: Callable[[], Any], *, seconds: float = 40) -> Any:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(0.05)  # between looks at another process: there is no event to await
    raise AssertionError(f"{what}: not within {seconds:.0f} s")


@pytest.fixture
def client(server: Process) -> Iterator[httpx.Client]:
    with server.client() as found:
        yield found


@pytest.fixture
def operator(
    server: Process, client: httpx.Client, namespace: str, environment: dict[str, str], tmp_path: Path
) -> Iterator[None]:
    """It runs, and its webhooks are registered. They go before it does: it would leave the server calling nobody."""
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    assert client.post(path, json=definition("plots", "Plot")).status_code == 201
    own = {**environment, "KEYS": str(server.folder / "pki"), "WEBHOOK_PORT": str(free_port())}
    with (tmp_path / "operator.log").open("wb") as log:
        command = [sys.executable, "-m", "kopf", "run", str(PROGRAM), "--namespace", namespace, "--standalone"]
        process = subprocess.Popen(command, env=own, stdout=log, stderr=log)
    try:
        until("the operator's webhooks", lambda: client.get(WEBHOOKS).json().get("webhooks"))
        yield
    finally:
        process.terminate()
        process.wait(30)
        client.delete(WEBHOOKS)
        client.delete(WEBHOOKS.replace("validating", "mutating"))


def plot(name: str, size: int) -> Obj:
    return {"apiVersion": "example.com/v1", "kind": "Plot", "metadata": {"name": name}, "spec": {"size": size}}


def called(client: httpx.Client, plots: str) -> bool:
    """Whether the server knows of the webhooks by now: of their registration it hears as any watcher does."""
    tried = client.post(plots, json=plot("tried", 1), params={"dryRun": "All"})
    return "warning" in tried.headers and "labels" in tried.json()["metadata"]


@pytest.mark.usefixtures("operator")
def test_an_operator_runs_unchanged(client: httpx.Client, namespace: str) -> None:
    plots = f"/apis/example.com/v1/namespaces/{namespace}/plots"
    until("the server to call both webhooks", lambda: called(client, plots))
    maps = f"/api/v1/namespaces/{namespace}/configmaps"
    made = client.post(plots, json=plot("p", 1))
    assert (made.status_code, made.json()["metadata"]["labels"]) == (201, {"marked": "yes"})
    assert 'checked"' in made.headers["warning"]
    refused = client.post(plots, json=plot("huge", 1000))
    assert (refused.status_code, "no plot is that big" in refused.json()["message"]) == (422, True)

    child = until("the child", lambda: (r := client.get(f"{maps}/p-child")).status_code == 200 and r.json())
    assert child["metadata"]["ownerReferences"][0]["name"] == "p"
    status = until("ticks", lambda: (s := client.get(f"{plots}/p").json().get("status", {})).get("ticks", 0) > 1 and s)
    assert status["create"] == {"child": "p-child"}
    events = until("its event", lambda: client.get(f"/api/v1/namespaces/{namespace}/events").json()["items"])
    assert [event["reason"] for event in events] == ["Planted"]

    merge = {"content-type": "application/merge-patch+json"}
    assert client.patch(f"{plots}/p", json={"spec": {"size": 2}}, headers=merge).status_code == 200
    until("the resizing", lambda: client.get(f"{plots}/p").json().get("status", {}).get("resized") == "1 to 2")
    held = client.delete(f"{plots}/p").json()
    assert held["metadata"]["finalizers"] == ["example.com/plots"]
    until("its end", lambda: client.get(f"{plots}/p").status_code == 404)
    assert client.get(f"{maps}/p-gone").status_code == 200
