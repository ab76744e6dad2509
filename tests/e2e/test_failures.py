"""The guestbook on two workers under three of everything, asked and written to without pause while each part is lost in turn.

What must hold is what a client counts: no acknowledged write lost, nothing lost while a node is drained, added or let go, and of a
node that dies only what was sent to its pods until it was found out. `-s` shows the numbers.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.conftest import ROOT, Cluster, run, until
from tests.e2e.counting import CLIENTS, Count, asking, writing
from tests.e2e.machines import Bridge, Machine

GRACE = 15  # seconds without a lease until a node counts as lost, instead of 40; it renews every 10
FLAGS = ("--flag", f"controller.node-monitor-grace-period={GRACE}s", "--flag", "controller.node-monitor-period=1s",
         "--flag", "controller.node-eviction-rate=10")  # fmt: skip
FOUND_OUT = GRACE + 10.0  # seconds until nothing is sent to a lost node's pods any more; some are for a busy machine
PATIENCE = 20.0  # seconds that a client waits where nothing may be lost: what a busy machine answers late is not lost
PORT = 30180
TOLERATIONS = [
    {"key": f"node.kubernetes.io/{key}", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 2}
    for key in ("not-ready", "unreachable")
]
SPREAD = [{"maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "DoNotSchedule",
           "nodeTaintsPolicy": "Honor", "matchLabelKeys": ["pod-template-hash"]}]  # fmt: skip
PAIR = """
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: pair}
spec:
  replicas: 2
  serviceName: pair
  podManagementPolicy: Parallel
  selector: {matchLabels: {app: pair}}
  template:
    metadata: {labels: {app: pair}}
    spec:
      terminationGracePeriodSeconds: 1
      tolerations: [TOLERATIONS]
      affinity:
        podAntiAffinity:
          requiredDuringSchedulingIgnoredDuringExecution:
            - {topologyKey: kubernetes.io/hostname, labelSelector: {matchLabels: {app: pair}}}
      containers: [{name: main, image: "pocketkube/base:1", command: [sleep, "1000000"]}]
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, kubectl_program: str) -> Iterator[Cluster]:
    made = Cluster("failures", tmp_path_factory.mktemp("failures"), kubectl_program)
    made.pk("up", "--nodes", "2", "--api-servers", "3", "--etcd-members", "3", *FLAGS, timeout=300)
    try:
        made.pk("build", "examples/guestbook", timeout=300)
        made.kubectl("cordon", "node-2")
        made.apply(_guestbook("store.yaml", "config.yaml"))
        made.kubectl("rollout", "status", "deployment/guestbook-store", "--timeout=60s")
        made.kubectl("uncordon", "node-2")
        made.apply(_guestbook("guestbook.yaml"))
        made.apply(PAIR.replace("[TOLERATIONS]", json.dumps(TOLERATIONS)))
        made.kubectl("rollout", "status", "deployment/guestbook", "--timeout=60s")
        made.kubectl("rollout", "status", "statefulset/pair", "--timeout=60s")
        until("the first answer", lambda: run("curl", "-sf", _urls(made)[0]), seconds=10)
        yield made
    finally:
        made.pk("down")


def _guestbook(*files: str) -> str:
    """The example's manifests: four of the front, over both nodes, that leave a lost one soon; on a port of ours."""
    found = [o for name in files for o in yaml.safe_load_all((ROOT / "examples" / "guestbook" / name).read_text())]
    for obj in found:
        if obj["kind"] == "Deployment":  # a probe that a busy machine answers late must not end what is counted here
            for container in obj["spec"]["template"]["spec"]["containers"]:
                container.pop("livenessProbe", None)
        if obj["metadata"]["name"] == "guestbook" and obj["kind"] == "Deployment":
            obj["spec"]["replicas"] = 4
            obj["spec"]["strategy"]["rollingUpdate"]["maxSurge"] = 4
            pod = obj["spec"]["template"]["spec"]
            pod["tolerations"] = TOLERATIONS
            pod["topologySpreadConstraints"] = [{**SPREAD[0], "labelSelector": obj["spec"]["selector"]}]
        if obj["kind"] == "Service" and obj["spec"].get("type") == "NodePort":
            obj["spec"]["ports"][0]["nodePort"] = PORT
    return "---\n".join(json.dumps(o) + "\n" for o in found)


def _urls(cluster: Cluster) -> list[str]:
    """The service as this machine's proxy balances it, and as the first node's does."""
    node = cluster.json("get", "node", "node-1")["status"]["addresses"][0]["address"]
    return [f"http://127.0.0.1:{PORT}/", f"http://{node}:{PORT}/"]


def _where(cluster: Cluster, app: str = "guestbook,tier=front") -> Counter[str]:
    """How many Ready pods that are not being deleted each node has."""
    return Counter(p["spec"]["nodeName"] for p in _pods(cluster, app) if _ready(p))


def _pods(cluster: Cluster, app: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = cluster.json("get", "pods", "-l", f"app={app}")["items"]
    return found


def _named(cluster: Cluster, name: str) -> dict[str, Any]:
    return cluster.json("get", "pod", name)


def _deleted(cluster: Cluster, name: str) -> str:
    """The uid of a pod that is being deleted; "" while it is not."""
    meta = _named(cluster, name)["metadata"]
    return str(meta["uid"]) if "deletionTimestamp" in meta else ""


def _ready(pod: dict[str, Any]) -> bool:
    conditions = {c["type"]: c["status"] for c in pod["status"].get("conditions", ())}
    return "deletionTimestamp" not in pod["metadata"] and conditions.get("Ready") == "True"


def _nodes(cluster: Cluster) -> dict[str, str]:
    return {row.split()[0]: row.split()[1] for row in cluster.kubectl("get", "nodes", "--no-headers").splitlines()}


def _spread_again(cluster: Cluster) -> None:
    """Both nodes serve, as before the test."""
    until("both Ready", lambda: {_nodes(cluster)[n] for n in ("node-1", "node-2")} == {"Ready"}, seconds=60)
    if set(_where(cluster)) != {"node-1", "node-2"}:
        cluster.kubectl("rollout", "restart", "deployment/guestbook")
    cluster.kubectl("rollout", "status", "deployment/guestbook", "--timeout=90s")
    until("pods on both", lambda: set(_where(cluster)) == {"node-1", "node-2"}, seconds=30)
    until("both of the pair", lambda: len(_where(cluster, "pair")) == 2, seconds=60)


def test_nothing_is_lost_while_a_node_is_drained_and_let_in_again(cluster: Cluster) -> None:
    with asking(*_urls(cluster)) as count:
        cluster.kubectl("drain", "node-2", "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=60s")
        until("all on the other node", lambda: _where(cluster) == {"node-1": 4}, seconds=60)
        cluster.kubectl("uncordon", "node-2")
        _spread_again(cluster)
    print(f"\ndrained: {count}")
    assert count.sent > 100
    assert count.lost == 0


def test_nothing_is_lost_while_a_node_joins_serves_and_leaves(cluster: Cluster, tmp_path: Path) -> None:
    spec = json.loads((cluster.home / cluster.name / "cluster.json").read_text())
    bridge = Bridge(spec["bridge"], spec["address"].rpartition(".")[0], there=True)
    images = tmp_path / "images.tar"
    run(
        "docker",
        "-H",
        _engine(cluster, "node-1"),
        "save",
        "-o",
        str(images),
        "pocketkube/guestbook:1",
        "pocketkube/base:1",
    )
    with asking(*_urls(cluster)) as count:
        machine = Machine("third", bridge, number=50, root=tmp_path / "third")
        try:
            join = cluster.pk("token", "create").split()
            machine.pk(*join[join.index("join") :])
            machine.run("docker", "load", "-i", str(images))
            cluster.kubectl("scale", "deployment/guestbook", "--replicas=6")
            until("pods on all three", lambda: _where(cluster)["third"] == 2, seconds=60)
            pod = next(
                p["status"]["podIP"] for p in _pods(cluster, "guestbook,tier=front") if p["spec"]["nodeName"] == "third"
            )
            until("its pod answers", lambda: run("curl", "-sf", f"http://{pod}:8080/"), seconds=10)
            cluster.kubectl("drain", "third", "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=60s")
            machine.pk("leave")
            assert "third" not in _nodes(cluster)
        finally:
            if (machine.home / "default").exists():
                machine.pk("down")
            machine.remove()
        cluster.kubectl("scale", "deployment/guestbook", "--replicas=4")
        _spread_again(cluster)
    print(f"\njoined and left: {count}")
    assert count.lost == 0


def test_a_node_that_is_cut_off_is_given_up_and_runs_nothing_twice_when_it_is_back(cluster: Cluster) -> None:
    veth = f"{json.loads((cluster.home / cluster.name / 'cluster.json').read_text())['bridge']}-1"
    ordinal = next(p["metadata"]["name"] for p in _pods(cluster, "pair") if p["spec"]["nodeName"] == "node-2")
    with asking(*_urls(cluster)) as count, never_twice(cluster, "pair") as seen:
        count.patience = 2
        count.begin("cut off")
        run("ip", "link", "set", veth, "down")
        cut = time.monotonic()
        try:
            until("NotReady", lambda: _nodes(cluster)["node-2"] == "NotReady", seconds=FOUND_OUT)
            until("all on the other node", lambda: _where(cluster) == {"node-1": 4}, seconds=30)
            old = until("its deletion", lambda: _deleted(cluster, ordinal), seconds=10)
            time.sleep(2)  # for whoever would be so wrong as to replace it
            assert (
                _named(cluster, ordinal)["metadata"]["uid"] == old
            )  # it may still run there: nothing may take its place
        finally:
            run("ip", "link", "set", veth, "up")
        count.phase, count.patience, found_out = "back", PATIENCE, count.last_failure - cut
        until("Ready again", lambda: _nodes(cluster)["node-2"] == "Ready", seconds=40)
        until("its old pods to be gone", lambda: _running(cluster, "node-2", "guestbook") == [], seconds=40)
        until("another in its place", lambda: _named(cluster, ordinal)["metadata"]["uid"] != old, seconds=20)
        count.phase = "rolled"
        _spread_again(cluster)
    print(f"\ncut off: {count}\nlast loss {found_out:.1f}s after; pods of the pair seen: {dict(seen)}")
    _bounded(count, found_out, during="cut off")


def test_a_node_that_dies_costs_what_was_sent_to_it_until_it_was_found_out(cluster: Cluster) -> None:
    kill_keepers(cluster)
    with asking(*_urls(cluster)) as count:
        count.patience = 2
        count.begin("dead")
        died = time.monotonic()
        kill_node(cluster, "node-2")
        try:
            until("NotReady", lambda: _nodes(cluster)["node-2"] == "NotReady", seconds=FOUND_OUT)
            until("all on the other node", lambda: _where(cluster) == {"node-1": 4}, seconds=40)
            count.phase, count.patience, found_out = "back", PATIENCE, count.last_failure - died
        finally:
            cluster.pk("start")
        count.phase = "rolled"
        _spread_again(cluster)
    print(f"\nkilled: {count}\nlast loss {found_out:.1f}s after")
    _bounded(count, found_out, during="dead")


def _bounded(count: Count, found_out: float, *, during: str) -> None:
    """What was sent to the lost node until it was found out, and afterwards at most what each client had under way."""
    assert found_out < FOUND_OUT
    assert count.lost - count.lost_in[during] <= CLIENTS
    assert count.longest_gap < FOUND_OUT


@pytest.mark.parametrize("part", ["apiserver", "etcd", "leaders"])
def test_no_acknowledged_write_is_lost_with_a_part_of_the_control_plane(cluster: Cluster, part: str) -> None:
    kubeconfig = cluster.home / cluster.name / "kubeconfig"
    with asking(*_urls(cluster)) as count, writing(kubeconfig, prefix=f"w-{part}") as writes:
        time.sleep(0.5)  # some writes before
        began = time.monotonic()
        if part == "leaders":
            holders = [_holder(cluster, lease) for lease in ("kube-scheduler", "kube-controller-manager")]
            for holder in holders:
                os.kill(holder, signal.SIGKILL)
        else:
            os.kill(_leader(cluster, part), signal.SIGKILL)
        cluster.kubectl("scale", "deployment/guestbook", "--replicas=6")
        until("new pods", lambda: sum(_where(cluster).values()) == 6, seconds=90)
        recovered = time.monotonic() - began
        cluster.kubectl("scale", "deployment/guestbook", "--replicas=4")
    print(f"\n{part} killed: two new pods Ready after {recovered:.1f}s\nrequests: {count}\nwrites: {writes.count}")
    found = set(cluster.kubectl("get", "configmaps", "-o", "name").split())
    assert {f"configmap/{name}" for name in writes.acknowledged} <= found
    assert len(writes.acknowledged) > 30
    assert writes.count.longest_gap < 6
    assert count.lost == 0
    until("it runs again", lambda: all(c["state"] == "running" for c in cluster.status()["components"]), seconds=30)


def test_an_api_server_that_hangs_is_left_by_everyone(cluster: Cluster) -> None:
    """Its kernel goes on accepting connections: only that it does not answer tells."""
    hanging = next(c["pid"] for c in cluster.status()["components"] if c["id"] == "apiserver-1")
    with writing(cluster.home / cluster.name / "kubeconfig", prefix="w-hang", clients=6) as writes:
        os.kill(hanging, signal.SIGSTOP)
        try:
            cluster.kubectl("scale", "deployment/guestbook", "--replicas=5")
            until("a new pod", lambda: sum(_where(cluster).values()) == 5, seconds=40)
            for _ in range(8):
                cluster.kubectl("get", "nodes", "--request-timeout=10s")
        finally:
            with suppress(ProcessLookupError):  # it was ended, and started again
                os.kill(hanging, signal.SIGCONT)
        cluster.kubectl("scale", "deployment/guestbook", "--replicas=4")
        until("the new pod gone", lambda: sum(_where(cluster).values()) == 4, seconds=30)
    print(f"\nhanging: {writes.count}")
    assert writes.count.longest_gap < 6 and writes.count.lost <= 6
    assert {f"configmap/{n}" for n in writes.acknowledged} <= set(
        cluster.kubectl("get", "configmaps", "-o", "name").split()
    )
    assert set(_nodes(cluster).values()) == {"Ready"}


def test_a_balancer_that_hangs_is_replaced_and_loses_only_what_it_had(cluster: Cluster) -> None:
    """Two share the port, and the kernel goes on giving one of them half of the connections. It is ended for its silence; those that it
    has not accepted go to the other, so that of the clients that connect anew each loses at most what was under way when it hung."""
    hanging = next(c["pid"] for c in cluster.status()["components"] if c["id"] == "balancer-0")
    kubeconfig = cluster.home / cluster.name / "kubeconfig"
    with (
        writing(kubeconfig, prefix="w-kept", clients=4) as kept,
        writing(kubeconfig, prefix="w-new", clients=4, keep=False) as anew,
    ):
        time.sleep(1)  # some writes before
        os.kill(hanging, signal.SIGSTOP)
        kept.count.phase = anew.count.phase = "hung"
        until("another balancer", lambda: _pid_of(cluster, "balancer-0") not in (0, hanging), seconds=30)
        kept.count.phase = anew.count.phase = "after"
        time.sleep(2)  # some writes after
    print(f"\nbalancer hanging: kept {kept.count}\nnew {anew.count}")
    for writes in (kept, anew):
        assert writes.count.lost <= 4 and writes.count.longest_gap < 10
        assert not writes.count.lost_in["after"]
    assert not anew.count.lost_in["hung"]
    found = set(cluster.kubectl("get", "configmaps", "-o", "name").split())
    assert {f"configmap/{n}" for n in (*kept.acknowledged, *anew.acknowledged)} <= found
    assert set(_nodes(cluster).values()) == {"Ready"}


def _pid_of(cluster: Cluster, component: str) -> int:
    """0 while it is being started again."""
    return next(int(c["pid"] or 0) for c in cluster.status()["components"] if c["id"] == component)


def _holder(cluster: Cluster, lease: str) -> int:
    """The pid of the process that holds a lease: its identity is in its log."""
    identity = cluster.json("-n", "kube-system", "get", "lease", lease)["spec"]["holderIdentity"]
    logs = cluster.home / cluster.name / "logs"
    for row in cluster.status()["components"]:
        if (
            row["name"] in ("scheduler", "controller")
            and f"identity={identity}" in (logs / Path(row["log"]).name).read_text()
        ):
            return int(row["pid"])
    raise AssertionError(f"{lease} is held by {identity}, which is none of ours")


def _leader(cluster: Cluster, part: str) -> int:
    if part == "apiserver":
        return cluster.pid("apiserver")
    root = cluster.home / cluster.name
    spec = json.loads((root / "cluster.json").read_text())
    for index in range(spec["etcd_members"]):
        url = f"https://127.0.0.1:{12379 + 20 * spec['slot'] + 2 * index}/metrics"
        files = [f"--{o}={root}/pki/{f}" for o, f in (("cacert", "etcd-ca.crt"), ("cert", "apiserver-etcd-client.crt"),
                                                      ("key", "apiserver-etcd-client.key"))]  # fmt: skip
        words = [w for f in files for w in f.split("=")]
        if "\netcd_server_is_leader 1" in run("curl", "-s", *words, url):
            return next(int(c["pid"]) for c in cluster.status()["components"] if c["id"] == f"etcd-{index}")
    raise AssertionError("no member leads")


def kill_keepers(cluster: Cluster) -> None:
    """The supervisor and its guard, so that what is killed next stays dead until `pk start`."""
    state = json.loads((cluster.home / cluster.name / "state.json").read_text())
    for pid, _ in (state["guard"], state["supervisor"]):
        os.kill(pid, signal.SIGSTOP)
    for pid, _ in (state["guard"], state["supervisor"]):
        os.kill(pid, signal.SIGKILL)


def kill_node(cluster: Cluster, node: str) -> None:
    """Everything that runs on a node at once: what lives in its network namespace, and what descends from that."""
    inode = os.stat(f"/run/netns/pk-{cluster.name}-{node[-1]}").st_ino
    children: dict[int, list[int]] = {}
    doomed: list[int] = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            if os.stat(entry / "ns" / "net").st_ino == inode:
                doomed.append(int(entry.name))
        except OSError:
            continue
        children.setdefault(parent, []).append(int(entry.name))
    assert doomed
    for pid in doomed:  # grows while it is walked
        doomed += [c for c in children.get(pid, ()) if c not in doomed]
    for pid in doomed:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


@contextmanager
def never_twice(cluster: Cluster, app: str) -> Iterator[Counter[str]]:
    """Looks into both engines again and again: at no time may a pod name of `app` run in two of them. Gives how often each was seen."""
    seen: Counter[str] = Counter()
    twice: list[str] = []
    stop = threading.Event()

    def look() -> None:
        while not stop.wait(0.2):
            names = [n for node in ("node-1", "node-2") for n in _running(cluster, node, app)]
            seen.update(names)
            twice.extend(name for name, number in Counter(names).items() if number > 1)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        stop.set()
        thread.join()
    assert not twice, twice


def _running(cluster: Cluster, node: str, app: str) -> list[str]:
    """Names of the pods of an app that have a container of their own running in a node's engine."""
    form = '{{.Label "io.kubernetes.pod.name"}} {{.Label "io.kubernetes.container.name"}}'
    out = subprocess.run(
        ["docker", "-H", _engine(cluster, node), "ps", "--format", form], capture_output=True, text=True
    )
    rows = [line.split() for line in out.stdout.splitlines()]
    return sorted(
        {r[0] for r in rows if len(r) == 2 and r[1] != "POD" and re.match(rf"{app}-(\d+$|[a-f0-9]+-\w{{5}}$)", r[0])}
    )


def _engine(cluster: Cluster, node: str) -> str:
    return f"unix:///run/pocketkube/{cluster.name}-{node}.sock"
