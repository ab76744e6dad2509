"""Waiting until a cluster, or a part of it, is ready; what keeps ending is said at once, with its last words."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable
from pathlib import Path

from pocketkube.cluster import console, processes
from pocketkube.cluster.api import Api
from pocketkube.cluster.errors import ClusterError
from pocketkube.cluster.layout import Layout
from pocketkube.cluster.spec import ClusterSpec

READY_SECONDS = 120
FRESH_SECONDS = 10
CRASHES = 4  # of one component before its first success: more is no bad luck


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
