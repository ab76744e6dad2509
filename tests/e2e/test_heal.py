"""What is killed comes back, and nothing else is touched."""

from __future__ import annotations

import os
import signal
import subprocess

import pytest

from tests.e2e.conftest import Cluster, Obj, until

SLEEPER = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 1
      containers: [{name: c, image: "pocketkube/base:1", command: [sleep, "3600"]}]
"""


def deploy(cluster: Cluster, namespace: str) -> list[Obj]:
    cluster.apply(SLEEPER, "-n", namespace)
    cluster.kubectl("-n", namespace, "rollout", "status", "deployment/web", "--timeout=60s")
    return pods(cluster, namespace)


def pods(cluster: Cluster, namespace: str) -> list[Obj]:
    items: list[Obj] = cluster.json("-n", namespace, "get", "pods")["items"]
    return [p for p in items if "deletionTimestamp" not in p["metadata"]]


def container_id(pod: Obj) -> str:
    return str(pod["status"]["containerStatuses"][0]["containerID"].removeprefix("docker://"))


def running_ids(cluster: Cluster, namespace: str) -> set[str]:
    return {container_id(p) for p in pods(cluster, namespace)}


def test_a_killed_container_is_restarted_and_counted(cluster: Cluster, namespace: str) -> None:
    pod = deploy(cluster, namespace)[0]
    name = pod["metadata"]["name"]
    subprocess.run(["docker", "kill", container_id(pod)], check=True, capture_output=True)

    def restarted() -> bool:
        status = cluster.json("-n", namespace, "get", "pod", name)["status"]["containerStatuses"][0]
        last = status["lastState"].get("terminated", {})
        return bool(status["restartCount"] == 1 and status["ready"] and last.get("exitCode") == 137)

    until("the container runs again, counted", restarted, seconds=30)


def test_a_deleted_pod_is_replaced(cluster: Cluster, namespace: str) -> None:
    before = {p["metadata"]["name"] for p in deploy(cluster, namespace)}
    gone = sorted(before)[0]
    cluster.kubectl("-n", namespace, "delete", "pod", gone)

    def replaced() -> bool:
        now = pods(cluster, namespace)
        ready = [p for p in now if all(s["ready"] for s in p["status"].get("containerStatuses", [{"ready": False}]))]
        return len(ready) == 2 and gone not in {p["metadata"]["name"] for p in now}

    until("two pods ready again", replaced, seconds=30)


@pytest.mark.parametrize("component", ["etcd", "apiserver", "scheduler", "controller", "kubelet", "proxy"])
def test_a_killed_process_is_restarted_and_no_pod_with_it(cluster: Cluster, namespace: str, component: str) -> None:
    deploy(cluster, namespace)
    before = running_ids(cluster, namespace)
    old = cluster.pid(component)
    os.kill(old, signal.SIGKILL)
    until(f"a new {component}", lambda: cluster.pid(component) not in (old, None), seconds=30)
    until("the API answers", lambda: cluster.kubectl("get", "--raw", "/readyz") == "ok", seconds=30)
    cluster.kubectl("-n", namespace, "scale", "deployment/web", "--replicas=3")
    cluster.kubectl("-n", namespace, "rollout", "status", "deployment/web", "--timeout=60s")
    after = pods(cluster, namespace)
    assert before <= {container_id(p) for p in after}
    assert all(s["restartCount"] == 0 for p in after for s in p["status"]["containerStatuses"])


def test_the_supervisor_itself_comes_back_and_adopts_all(cluster: Cluster) -> None:
    import json

    before = {c["name"]: c["pid"] for c in cluster.status()["components"]}
    state = json.loads((cluster.home / cluster.name / "state.json").read_text())
    os.kill(state["supervisor"][0], signal.SIGKILL)

    def again() -> bool:
        now = json.loads((cluster.home / cluster.name / "state.json").read_text())["supervisor"]
        return bool(now != state["supervisor"])

    until("a new supervisor", again, seconds=20)
    assert {c["name"]: c["pid"] for c in cluster.status()["components"]} == before
