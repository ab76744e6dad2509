"""Bring a cluster from nothing to Ready, and back: what `up`, `start`, `stop` and `down` share."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import yaml

from pocketkube.cluster import (
    console,
    engine,
    images,
    kubeconfigs,
    network,
    pki,
    prepare,
    processes,
    supervisor,
    tokens,
)
from pocketkube.cluster import spec as specs
from pocketkube.cluster.api import Api
from pocketkube.cluster.components import CONTROL_PLANE_ROLE, HOST_SOCKET, engine_state, proxy_table
from pocketkube.cluster.errors import ClusterError
from pocketkube.cluster.layout import REPOSITORY, Layout, all_clusters
from pocketkube.cluster.spec import ClusterSpec, NodeSpec

READY_SECONDS = 120
FRESH_SECONDS = 10
CRASHES = 4  # of one component before its first success: more is no bad luck


def plan(
    name: str, *, nodes: int, api_servers: int, etcd_members: int, address: str = "", flags: dict[str, str] | None = None,
    names: tuple[str, ...] = (), workloads: bool = True,
) -> ClusterSpec:  # fmt: skip
    """Decide a new cluster's addresses and ports. Pure but for looking at this machine's addresses and other clusters."""
    taken = {s.slot for _, s in all_clusters()} | network.taken_slots()
    slot = specs.free_slot(taken, default=name == "default")
    own = address or network.primary_address()
    bridge = ""
    if nodes > 1 or not own:
        bridge, own = network.bridge_name(slot), f"10.{160 + slot}.0.1"
    if nodes > 1:
        made = tuple(host(name, slot, i) for i in range(nodes))
    else:
        made = (NodeSpec(name=_host_name(name), address=own),) if nodes else ()
    return ClusterSpec(
        name=name, slot=slot, address=own, nodes=made, api_servers=api_servers, etcd_members=etcd_members,
        engine="host" if nodes != 1 or prepare.engine_answers() else "own",
        bridge=bridge, bridge_cidr=f"10.{160 + slot}.0.1/24" if bridge else "", flags=flags or {}, names=names,
        workloads=workloads,
    )  # fmt: skip


def host(cluster: str, slot: int, index: int) -> NodeSpec:
    """A worker host on this machine, in a network namespace."""
    return NodeSpec(
        name=f"node-{index + 1}", address=f"10.{160 + slot}.0.{11 + index}", netns=f"pk-{cluster}-{index + 1}"
    )


def _host_name(cluster: str) -> str:
    """This machine's name as a node's; clusters beside the default one add their own name, for one engine serves them all."""
    host = re.sub(r"[^a-z0-9-]+", "-", socket.gethostname().lower()).strip("-") or "node"
    return host if cluster == "default" else f"{host}-{cluster}"


def check_ports(spec: ClusterSpec) -> None:
    """Raise, naming who holds it, if a port that the cluster needs is taken."""
    for port, who in wanted_ports(spec).items():
        holder = processes.port_holder(port)
        if holder:
            raise ClusterError(f"port {port}, which the {who} needs, is in use by {holder}: stop that first")


def wanted_ports(spec: ClusterSpec) -> dict[int, str]:
    """Ports of this machine itself that the cluster listens on, and which component does."""
    wanted = {spec.port(10256): "proxy"}
    if any(not n.netns for n in spec.nodes):
        wanted.update({spec.port(10250): "kubelet", spec.port(10255): "kubelet"})
    if not spec.control_plane:
        return wanted
    wanted[spec.api_port] = "API server"
    for i in range(spec.etcd_members):
        wanted.update(dict.fromkeys(spec.etcd_ports(i), "etcd"))
    for i in range(spec.api_servers):
        wanted[spec.server_port(i)] = "API server"
        wanted.update({spec.replica_port(10259, i): "scheduler", spec.replica_port(10257, i): "controller manager"})
    return wanted


def create(layout: Layout, spec: ClusterSpec) -> None:
    """Write everything a cluster needs to start, but start nothing."""
    layout.make()
    with console.step("Making keys and certificates"):
        pki.ensure(layout.pki, spec)
        kubeconfigs.write_all(layout, spec)
    write_backends(layout, spec)
    layout.spec.write_text(spec.to_json())


def write_backends(layout: Layout, spec: ClusterSpec) -> None:
    """Whole or not at all: the balancers may be reading."""
    part = layout.backends.with_suffix(".part")
    part.write_text("".join(f"127.0.0.1:{spec.server_port(i)}\n" for i in range(spec.api_servers)))
    part.rename(layout.backends)


def start(layout: Layout, spec: ClusterSpec, *, token: str = "") -> None:
    """Start the supervisor and wait until all nodes are Ready. If the cluster cannot start, stop it again and say why.

    With `token` other machines may join as soon as the API server answers."""
    _write_programs(layout, spec)
    network.ensure(spec)
    began, since = time.monotonic(), time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    pause = images.pause()
    control_plane = "etcd, API server, scheduler, controller manager, " if spec.control_plane else ""
    with console.step(f"Starting {control_plane}kubelet, proxy" if spec.nodes else f"Starting {control_plane}proxy"):
        keeper = supervisor.launch(layout)
        try:
            wait("the supervisor", layout, lambda: _keeps(keeper, layout), seconds=20)
            engine.each(layout, spec, lambda path: prepare_engine(path, pause))
            api = Api.of(layout, spec)
            wait("the API server", layout, api.ready)
        except BaseException:
            stop(layout, spec)
            raise
    if spec.control_plane:
        if token:
            tokens.create(api, token, ttl=0, again=True)
        apply_addons(layout, spec, api)
    wait_ready(layout, spec, since=since)
    if spec.control_plane:
        _label_control_plane(spec, api)
    console.say(f"  Ready after {time.monotonic() - began:.1f}s")


def _label_control_plane(spec: ClusterSpec, api: Api) -> None:
    """The role of a node that is the control plane's own machine: no node may give itself one."""
    body = json.dumps({"metadata": {"labels": {CONTROL_PLANE_ROLE: ""}}}).encode()
    for node in spec.nodes:
        if not node.netns:
            api.call("PATCH", f"/api/v1/nodes/{node.name}", body, content_type="application/merge-patch+json")


def _keeps(keeper: subprocess.Popen[bytes], layout: Layout) -> bool:
    """Whether the supervisor has taken up its work. Raises ClusterError with its last words if it ended instead."""
    if keeper.poll() is not None:
        log = layout.logs / "supervisor.log"
        raise ClusterError(f"the supervisor ended (exit {keeper.returncode}): {last_line(log)} (log: {log})")
    found = processes.supervisor_of(layout.state)
    return found is not None and found.pid == keeper.pid


def prepare_engine(path: str, pause: Path) -> None:
    engine.wait(path)
    images.ensure_loaded(path, pause)


def wait_ready(layout: Layout, spec: ClusterSpec, *, since: str = "") -> None:
    """Until every node is Ready. What a node said before `since` counts only if it says nothing new for a while."""
    api = Api.of(layout, spec)
    patience = time.monotonic() + FRESH_SECONDS
    names = {n.name for n in spec.nodes}

    def all_ready() -> bool:
        newer_than = since if time.monotonic() < patience else ""
        return names <= {n for n, ready in api.nodes(since=newer_than).items() if ready}

    with console.step("Waiting for the nodes to be Ready and DNS to answer"):
        wait("the nodes", layout, all_ready)
        if spec.control_plane or any(not n.netns for n in spec.nodes):
            wait("cluster DNS", layout, lambda: dns_answers(spec))


def _write_programs(layout: Layout, spec: ClusterSpec) -> None:
    etcd = prepare.which("etcd") if spec.control_plane else ""
    if etcd is None:
        raise ClusterError("etcd is not on this machine: run ./pk up, which installs it")
    (layout.root / "programs.json").write_text(json.dumps({"etcd": etcd}))


def wait(what: str, layout: Layout, done: Callable[[], bool], *, seconds: float = READY_SECONDS) -> None:
    """Until `done()`; a component that keeps crashing ends it early, with its last words."""
    deadline = time.monotonic() + seconds
    while not done():
        for row in processes.read_state(layout.state).get("components", []):
            if row["restarts"] >= CRASHES and row["state"] != "running":
                log = layout.logs / row["log"]
                raise ClusterError(f"{row['id']} keeps ending ({row['lastExit']}): {last_line(log)} (log: {log})")
        if time.monotonic() > deadline:
            raise ClusterError(f"{what}: not ready after {seconds:.0f}s; the logs are in {layout.logs}")
        time.sleep(0.05)


def last_line(log: Path) -> str:
    try:
        lines = log.read_text(errors="replace").strip().splitlines()
    except OSError:
        return "it wrote no log"
    return lines[-1][:300] if lines else "it wrote nothing"


def apply_addons(layout: Layout, spec: ClusterSpec, api: Api) -> None:
    """Objects that every cluster has beyond what the API server makes itself: deploy/addons."""
    ca = base64.b64encode((layout.pki / "ca.crt").read_bytes()).decode()
    values = {"DNS_IP": spec.dns_ip, "DOMAIN": spec.domain, "SERVER": spec.internal_server, "CA_DATA": ca,
              "POD_CIDR": spec.pod_cidr, "SERVICE_CIDR": spec.service_cidr}  # fmt: skip
    for path in sorted((REPOSITORY / "deploy" / "addons").glob("*.yaml")):
        text = re.sub(r"\$\{(\w+)\}", lambda m: values[m[1]], path.read_text())
        for obj in yaml.safe_load_all(text):
            if obj:
                _apply(layout, api, obj)


PLURALS = {"Service": "services", "ConfigMap": "configmaps", "StorageClass": "storageclasses", "ClusterRole": "clusterroles",
           "ClusterRoleBinding": "clusterrolebindings", "Role": "roles", "RoleBinding": "rolebindings"}  # fmt: skip


def _apply(layout: Layout, api: Api, obj: dict[str, object]) -> None:
    version, kind, meta = str(obj["apiVersion"]), str(obj["kind"]), obj["metadata"]
    assert isinstance(meta, dict)
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    scope = f"/namespaces/{meta['namespace']}" if "namespace" in meta else ""
    path = f"{root}{scope}/{PLURALS[kind]}/{meta['name']}"

    def applied() -> bool:
        try:
            api.apply(obj, path)
        except OSError:
            return False
        return True

    wait(f"applying {kind} {meta['name']}", layout, applied, seconds=30)


def dns_answers(spec: ClusterSpec) -> bool:
    """Whether the cluster's DNS on this machine resolves the API server's own service."""
    labels = f"kubernetes.default.svc.{spec.domain}".split(".")
    question = b"".join(bytes([len(x)]) + x.encode() for x in labels) + b"\0" + struct.pack(">HH", 1, 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(0.3)
        try:
            client.sendto(struct.pack(">HHHHHH", 7, 0x0100, 1, 0, 0, 0) + question, (spec.dns_ip, 53))
            answer = client.recv(512)
        except OSError:
            return False
    return answer[3] & 0xF == 0 and answer[6:8] != b"\0\0"


def stop(layout: Layout, spec: ClusterSpec) -> None:
    """Stop every process and pod; all data stays."""
    found = processes.supervisor_of(layout.state)
    if found:
        found.signal(signal.SIGTERM)
        if not found.wait(90):
            found.signal(signal.SIGKILL)
    if not engine.ours(spec) and prepare.engine_answers(HOST_SOCKET):
        engine.stop_pods(layout, spec)


def _quiesce(layout: Layout) -> None:
    """Freeze the kubelets, so that they do not restart what is about to be stopped with its engine."""
    for row in processes.read_state(layout.state).get("components", []):
        if row["name"] == "kubelet" and row["pid"]:
            processes.Identity(row["pid"], row["started"]).signal(signal.SIGKILL)


def down(layout: Layout, spec: ClusterSpec) -> None:
    """Remove processes, pods, networks and files of the cluster, and nothing else."""
    found = processes.supervisor_of(layout.state)
    if found:
        _quiesce(layout)
    engine.remove_pods(layout, spec)
    stop(layout, spec)
    _remove_host_network(layout, spec)
    network.remove(spec)
    unmount_below(layout.root)
    for node in spec.nodes:
        if node.own_engine:
            remove_engine(layout, node)
    shutil.rmtree(layout.root, ignore_errors=False)


def _remove_host_network(layout: Layout, spec: ClusterSpec) -> None:
    """What kubelet and proxy made in this machine's own network; a namespace goes as a whole."""
    here = [node for node in spec.nodes if not node.netns]
    for node in here:
        folder = layout.node(node.name)
        _run_python("kubelet", "--cleanup", f"--root-dir={folder / 'kubelet'}", f"--hostname-override={node.name}")
    table = proxy_table(spec, NodeSpec(name="", address=""))
    flags = (f"--nftables-table={table}", f"--cluster-dns={spec.dns_ip}", f"--cluster-cidr={spec.pod_cidr}")
    _run_python("proxy", "--cleanup", *flags)


def remove_engine(layout: Layout, node: NodeSpec) -> None:
    """What an engine of ours leaves below /run."""
    state = engine_state(layout, node)
    unmount_below(state)
    shutil.rmtree(state, ignore_errors=True)
    for suffix in (".sock", ".pid"):
        state.with_name(state.name + suffix).unlink(missing_ok=True)


def _run_python(module: str, *flags: str) -> None:
    env = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    try:
        done = subprocess.run(
            [sys.executable, "-m", module, *flags], env=env, capture_output=True, text=True, timeout=30
        )
    except subprocess.TimeoutExpired:
        console.say(f"  {module} --cleanup did not end in 30s")
        return
    if done.returncode:
        console.say(f"  {module} --cleanup: {(done.stderr.strip().splitlines() or ['failed'])[-1]}")


def unmount_below(root: Path) -> None:
    """Volumes that are file systems of their own (memory-backed ones) keep a folder from being removed."""
    mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    for mount in sorted((m for m in mounts if m.startswith(f"{root}/")), reverse=True):
        subprocess.run(["umount", "-l", mount], capture_output=True)
