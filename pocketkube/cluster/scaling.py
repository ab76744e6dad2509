"""Change how many API servers and worker hosts a running cluster has, while it serves.

What comes is started and ready before what goes is stopped, so that at no moment there is less than before or after:
  1. cluster.json says what shall be; the supervisor starts what is new (TAKE_UP), and leaves what is not wanted running.
  2. New API servers are ready, balancers know them, new nodes are Ready; nodes that go are drained.
  3. The supervisor stops what is not wanted any more (LET_GO): API servers answer what they have accepted before they end.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace

from pocketkube.cluster import console, images, lifecycle, network, planning, processes, readiness
from pocketkube.cluster.api import Api
from pocketkube.cluster.components import components, node_socket
from pocketkube.cluster.errors import ClusterError
from pocketkube.cluster.layout import REPOSITORY, Layout
from pocketkube.cluster.spec import ClusterSpec, NodeSpec
from pocketkube.cluster.supervisor import LET_GO, TAKE_UP

DRAIN_SECONDS = 60
STOP_SECONDS = 90


def plan(spec: ClusterSpec, *, nodes: int, api_servers: int, etcd_members: int) -> ClusterSpec:
    """The same cluster with other numbers. Pure. Raises ClusterError for what cannot be changed while it runs."""
    if not spec.control_plane:
        raise ClusterError("this machine joined a cluster: its size is changed where the control plane runs")
    if etcd_members != spec.etcd_members:
        raise ClusterError(
            f"the cluster has {spec.etcd_members} etcd member(s), which cannot be changed: save it (./pk snapshot save), "
            f"./pk down, and start anew with --etcd-members {etcd_members}"
        )
    here = [n for n in spec.nodes if not n.netns]
    if here and nodes != len(spec.nodes):
        raise ClusterError(
            "the one node of this cluster is this machine itself, which hosts made here cannot stand beside: "
            f"other machines can (./pk token create), or another cluster (./pk up --name NAME --nodes {nodes})"
        )
    balancer = spec.balancer or (spec.balanced and api_servers == 1)
    made = replace(spec, api_servers=api_servers, balancer=balancer, nodes=_hosts(spec, nodes))
    if nodes and not made.bridge:
        made = replace(made, bridge=network.bridge_name(spec.slot), bridge_cidr=f"10.{160 + spec.slot}.0.1/24")
    return made


def _hosts(spec: ClusterSpec, count: int) -> tuple[NodeSpec, ...]:
    made = [planning.host(spec.name, spec.slot, i) for i in range(len(spec.nodes), count)]
    return (*spec.nodes[:count], *made)


def apply(layout: Layout, before: ClusterSpec, after: ClusterSpec) -> None:
    """Make a running cluster what `after` says. Raises ClusterError; what was there before then still runs."""
    added = [n for n in after.nodes if n not in before.nodes]
    removed = [n for n in before.nodes if n not in after.nodes]
    _check_ports(before, after)
    since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    if removed:
        _drain(layout, [n.name for n in removed])
    lifecycle.create(layout, after)
    network.ensure(after)
    _take_up(layout, after)
    if after.api_servers != before.api_servers:
        _servers_ready(layout, before, after)
    if added:
        pause = images.pause()
        with console.step(f"Starting {', '.join(n.name for n in added)}"):
            for node in added:
                lifecycle.prepare_engine(node_socket(layout, node), pause)
        readiness.wait_ready(layout, replace(after, nodes=tuple(added)), since=since)
    _let_go(layout, after)
    for node in removed:
        _forget(layout, before, node)


def _check_ports(before: ClusterSpec, after: ClusterSpec) -> None:
    """Only what is new must be free."""
    held = planning.wanted_ports(before)
    for port, who in planning.wanted_ports(after).items():
        holder = "" if port in held else processes.port_holder(port)
        if holder:
            raise ClusterError(f"port {port}, which the {who} needs, is in use by {holder}: stop that first")


def _take_up(layout: Layout, after: ClusterSpec) -> None:
    """Returns once the supervisor has read what shall be."""
    _tell(layout, TAKE_UP)
    wanted = {c.id for c in components(layout, after)}
    taken_up = lambda: {row["id"] for row in _rows(layout) if not row.get("leaving")} == wanted  # noqa: E731
    readiness.wait("the supervisor", layout, taken_up, seconds=STOP_SECONDS)


def _tell(layout: Layout, number: signal.Signals) -> None:
    found = processes.supervisor_of(layout.state)
    if found is None:
        raise ClusterError(f"cluster {layout.name!r} does not run: ./pk start{layout.flag}")
    found.signal(number)


def _rows(layout: Layout) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = processes.read_state(layout.state).get("components", [])
    return rows


def _servers_ready(layout: Layout, before: ClusterSpec, after: ClusterSpec) -> None:
    """Every API server that there shall be is ready, and the balancers give connections to those and no others."""
    servers = [f"https://127.0.0.1:{after.server_port(i)}" for i in range(after.api_servers)]
    with console.step(f"Waiting for {after.api_servers} API server(s) to be ready"):
        for server in servers:
            readiness.wait(f"the API server at {server}", layout, Api.of(layout, after, server=server).ready)
        for row in _rows(layout):
            if row["name"] == "balancer" and row["pid"] and before.balanced:
                os.kill(int(str(row["pid"])), signal.SIGHUP)
        readiness.wait("the balancers", layout, lambda: _balancers_listen(layout, after))


def _balancers_listen(layout: Layout, spec: ClusterSpec) -> bool:
    pids = [int(str(row["pid"])) for row in _rows(layout) if row["name"] == "balancer"]
    return len(pids) == 2 and all(processes.listens(pid, spec.api_port) for pid in pids)


def _let_go(layout: Layout, spec: ClusterSpec) -> None:
    if any(row.get("leaving") for row in _rows(layout)):
        with console.step("Stopping what is not wanted any more"):
            _tell(layout, LET_GO)
            gone = lambda: not any(row.get("leaving") for row in _rows(layout))  # noqa: E731
            readiness.wait("the processes to end", layout, gone, seconds=STOP_SECONDS)


def _drain(layout: Layout, nodes: list[str]) -> None:
    """Pods move elsewhere while the node still runs; what does not move in time ends with it."""
    flags = ("--ignore-daemonsets", "--delete-emptydir-data", "--force", f"--timeout={DRAIN_SECONDS}s")
    command = [sys.executable, "-m", "kubectl", "drain", *nodes, *flags]
    environment = {**os.environ, "KUBECONFIG": str(layout.kubeconfig), "PYTHONPATH": str(REPOSITORY)}
    with console.step(f"Draining {', '.join(nodes)}"):
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        console.say(f"  not all of its pods moved: {(done.stderr.strip().splitlines() or ['drain failed'])[-1]}")


def _forget(layout: Layout, before: ClusterSpec, node: NodeSpec) -> None:
    """Its Node object, host, engine and files."""
    with console.step(f"Removing {node.name}"):
        Api.of(layout, before).call("DELETE", f"/api/v1/nodes/{node.name}")
        network.remove_host(node)
        lifecycle.unmount_below(layout.node(node.name))
        lifecycle.remove_engine(layout, node)
        shutil.rmtree(layout.node(node.name), ignore_errors=True)
        for path in (*layout.pki.glob(f"kubelet-{node.name}*"), layout.component_kubeconfig(f"kubelet-{node.name}")):
            path.unlink(missing_ok=True)
