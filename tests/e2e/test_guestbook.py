"""The README's tour: several tiers, reachable from a pod, from the host and by name, and rolled to a new image without a lost request."""

from __future__ import annotations

import json
import subprocess
import threading
import urllib.error
import urllib.request

import pytest

from tests.e2e.conftest import Cluster, until


@pytest.fixture(scope="module")
def guestbook(cluster: Cluster) -> Cluster:
    cluster.kubectl("apply", "-f", "examples/guestbook/")
    for name in ("guestbook", "guestbook-store"):
        cluster.kubectl("rollout", "status", f"deployment/{name}", "--timeout=90s")
    cluster.kubectl("wait", "--for=condition=complete", "job/guestbook-seed", "--timeout=60s")
    return cluster


def node_address(cluster: Cluster) -> str:
    return str(cluster.status()["nodes"][0]["address"])


def fetch(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return str(answer.read().decode())


def test_the_front_shows_what_the_job_wrote_from_host_and_pod(guestbook: Cluster) -> None:
    assert "Hello from the seed job" in fetch(f"http://{node_address(guestbook)}:30080/")
    assert "Hello from the seed job" in fetch("http://127.0.0.1:30080/")
    ip = guestbook.json("get", "service", "guestbook")["spec"]["clusterIP"]
    assert "Hello from the seed job" in fetch(f"http://{ip}/")
    code = "import urllib.request; print(urllib.request.urlopen('http://guestbook', timeout=5).read().decode())"
    out = guestbook.kubectl("exec", "deploy/guestbook-store", "--", "python3", "-c", code)
    assert "Hello from the seed job" in out


def test_each_pod_has_an_address_of_its_own(guestbook: Cluster) -> None:
    pods = guestbook.json("get", "pods", "-l", "app=guestbook,tier=front")["items"]
    assert len({p["status"]["podIP"] for p in pods}) == 3


def test_two_containers_of_a_pod_share_the_log_volume(guestbook: Cluster) -> None:
    fetch("http://127.0.0.1:30080/")
    pods = guestbook.json("get", "pods", "-l", "app=guestbook,tier=front")["items"]
    names = [p["metadata"]["name"] for p in pods]
    until(
        "a request in a sidecar's log",
        lambda: any("GET" in guestbook.kubectl("logs", n, "-c", "access-log") for n in names),
    )


def test_no_request_is_lost_while_the_deployment_rolls(guestbook: Cluster) -> None:
    failures: list[str] = []
    counted = 0
    done = threading.Event()

    def client() -> None:
        nonlocal counted
        while not (done.is_set() and counted >= 200) and counted < 20_000:
            try:
                fetch("http://127.0.0.1:30080/version")
            except (OSError, urllib.error.URLError) as error:
                failures.append(str(error))
            counted += 1

    caller = threading.Thread(target=client)
    caller.start()
    try:
        guestbook.kubectl("set", "image", "deployment/guestbook", "web=pocketkube/guestbook:2")
        guestbook.kubectl("rollout", "status", "deployment/guestbook", "--timeout=120s")
    finally:
        done.set()
        caller.join()
    until("only the new version answers", lambda: fetch("http://127.0.0.1:30080/version") == "2\n", seconds=5)
    assert not failures and counted >= 200, failures[:5]
    history = guestbook.kubectl("rollout", "history", "deployment/guestbook")
    assert "1" in history and "2" in history
    guestbook.kubectl("rollout", "undo", "deployment/guestbook")
    guestbook.kubectl("rollout", "status", "deployment/guestbook", "--timeout=120s")
    until("the old version again", lambda: fetch("http://127.0.0.1:30080/version") == "1\n")


def test_describe_reads_as_usual(guestbook: Cluster) -> None:
    text = guestbook.kubectl("describe", "deployment", "guestbook")
    assert "3 desired | 3 updated | 3 total | 3 available | 0 unavailable" in text
    assert "RollingUpdateStrategy:  0 max unavailable, 1 max surge" in text
    pod = guestbook.json("get", "pods", "-l", "tier=store")["items"][0]["metadata"]["name"]
    text = guestbook.kubectl("describe", "pod", pod)
    for words in ("Successfully assigned default/", "Started container store", "Ready             True"):
        assert words in text, text


def test_port_forward_reaches_a_pod(guestbook: Cluster) -> None:
    process = subprocess.Popen(
        [guestbook.kubectl_program, "port-forward", "service/guestbook", ":80"],
        env=guestbook.kube_env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout
        line = process.stdout.readline()
        port = line.split("127.0.0.1:")[1].split(" ")[0]
        assert fetch(f"http://127.0.0.1:{port}/healthz") == "ok\n"
    finally:
        process.terminate()
        process.communicate(timeout=10)


def test_the_job_is_complete_and_its_pod_kept(guestbook: Cluster) -> None:
    job = guestbook.json("get", "job", "guestbook-seed")
    assert job["status"]["succeeded"] == 1
    assert "303" in guestbook.kubectl("logs", "job/guestbook-seed") or "200" in guestbook.kubectl(
        "logs", "job/guestbook-seed"
    )


def test_limits_reach_the_cgroup(guestbook: Cluster) -> None:
    pod = guestbook.json("get", "pods", "-l", "tier=store")["items"][0]
    container = pod["status"]["containerStatuses"][0]["containerID"].removeprefix("docker://")
    shown = subprocess.run(["docker", "inspect", container], capture_output=True, text=True, check=True).stdout
    host = json.loads(shown)[0]["HostConfig"]
    assert (host["Memory"], host["CpuQuota"], host["CpuPeriod"]) == (128 << 20, 50_000, 100_000)
