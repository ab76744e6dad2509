"""`pk` itself: repeated up, status, logs, stop and start, and its words when something is wrong."""

from __future__ import annotations

import subprocess
import sys

from tests.e2e.conftest import ROOT, Cluster, until


def pk(cluster: Cluster, *words: str, **extra: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pocketkube.cluster", *words]
    return subprocess.run(command, env={**cluster.env, **extra}, cwd=ROOT, capture_output=True, text=True, timeout=240)


def test_a_second_up_does_nothing_and_says_so(cluster: Cluster) -> None:
    before = {c["id"]: c["pid"] for c in cluster.status()["components"]}
    done = pk(cluster, "up", "--name", cluster.name)
    assert done.returncode == 0 and "Nothing to do" in done.stderr
    assert {c["id"]: c["pid"] for c in cluster.status()["components"]} == before


def test_status_holds_what_other_tools_rely_on(cluster: Cluster) -> None:
    status = cluster.status()
    assert status["server"].startswith("https://127.0.0.1:")
    assert status["kubeconfig"] == cluster.pk("kubeconfig").strip()
    assert all(n["ready"] for n in status["nodes"])
    names = [c["name"] for c in status["components"]]
    assert {"etcd", "apiserver", "scheduler", "controller", "kubelet", "proxy"} <= set(names)
    assert all(c["state"] == "running" and c["pid"] and c["log"] for c in status["components"])


def test_logs(cluster: Cluster) -> None:
    assert cluster.pk("logs", "apiserver", "--tail", "3").count("\n") <= 3
    done = pk(cluster, "logs", "--name", cluster.name, "nothing")
    assert done.returncode == 1 and "there is no component 'nothing'" in done.stderr


def test_keys_are_for_their_owner_only(cluster: Cluster) -> None:
    files = [*(cluster.home / cluster.name / "pki").glob("*.key"), cluster.home / cluster.name / "kubeconfig"]
    assert len(files) > 10 and all(f.stat().st_mode & 0o077 == 0 for f in files)


def test_stop_then_start_brings_everything_back(cluster: Cluster, namespace: str) -> None:
    cluster.kubectl("-n", namespace, "create", "configmap", "kept", "--from-literal=a=b")
    cluster.kubectl("-n", namespace, "create", "deployment", "web", "--image=pocketkube/base:1", "--", "sleep", "3600")
    cluster.kubectl("-n", namespace, "rollout", "status", "deployment/web", "--timeout=60s")
    cluster.pk("stop")
    assert pk(cluster, "status", "--name", cluster.name).returncode == 3
    cluster.pk("start")
    assert cluster.json("-n", namespace, "get", "configmap", "kept")["data"] == {"a": "b"}

    def back() -> bool:
        found = cluster.json("-n", namespace, "get", "deployment", "web")["status"]
        return bool(found.get("availableReplicas") == 1 and "1" in cluster.kubectl("-n", namespace, "get", "pods"))

    until("the deployment is available", back)
    cluster.kubectl("-n", namespace, "exec", "deploy/web", "--", "true")


def test_a_port_in_use_is_named_with_its_holder(cluster: Cluster) -> None:
    code = "import socket, sys; s = socket.create_server(('127.0.0.1', 6443)); print(1, flush=True); sys.stdin.read()"
    holder = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    try:
        assert holder.stdout
        holder.stdout.readline()  # ends at once if another program has the port already: that will do as well
        done = pk(cluster, "up", "--name", "default")
        assert done.returncode == 1 and "needs, is in use by" in done.stderr
        assert "(pid " in done.stderr and not (cluster.home / "default").exists()
    finally:
        holder.kill()
        holder.communicate()


def test_bad_words_are_one_line(cluster: Cluster) -> None:
    for words, expected in (
        (["status", "--name", "missing"], "there is no cluster 'missing'"),
        (["status", "--name", "Not/A/Name"], "is no cluster name"),
        (["fly"], "there is no verb 'fly'"),
        (["load", "--name", cluster.name, "no/such:image"], "no image 'no/such:image'"),
    ):
        done = pk(cluster, *words)
        assert done.returncode != 0 and expected in done.stderr and done.stderr.count("\n") == 1, done.stderr
