"""Bring a cluster from nothing to Ready, and back: what `up`, `start`, `stop` and `down` share."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from pocketkube.cluster import (
    addons,
    console,
    engine,
    images,
    kubeconfigs,
    network,
    pki,
    prepare,
    processes,
    readiness,
    supervisor,
    tokens,
)
from pocketkube.cluster.api import Api
from pocketkube.cluster.components import CONTROL_PLANE_ROLE, HOST_SOCKET, engine_state, proxy_table
from pocketkube.cluster.errors import ClusterError
from pocketkube.cluster.layout import REPOSITORY, Layout
from pocketkube.cluster.spec import ClusterSpec, NodeSpec


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
            readiness.wait("the supervisor", layout, lambda: _keeps(keeper, layout), seconds=20)
            engine.each(layout, spec, lambda path: prepare_engine(path, pause))
            api = Api.of(layout, spec)
            readiness.wait("the API server", layout, api.ready)
        except BaseException:
            stop(layout, spec)
            raise
    if spec.control_plane:
        if token:
            tokens.create(api, token, ttl=0, again=True)
        addons.apply(layout, spec, api)
    readiness.wait_ready(layout, spec, since=since)
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
        raise ClusterError(f"the supervisor ended (exit {keeper.returncode}): {readiness.last_line(log)} (log: {log})")
    found = processes.supervisor_of(layout.state)
    return found is not None and found.pid == keeper.pid


def prepare_engine(path: str, pause: Path) -> None:
    engine.wait(path)
    images.ensure_loaded(path, pause)


def _write_programs(layout: Layout, spec: ClusterSpec) -> None:
    etcd = prepare.which("etcd") if spec.control_plane else ""
    if etcd is None:
        raise ClusterError("etcd is not on this machine: run ./pk up, which installs it")
    (layout.root / "programs.json").write_text(json.dumps({"etcd": etcd}))


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
