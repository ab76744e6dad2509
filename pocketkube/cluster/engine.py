"""The Docker engines of a cluster's nodes, for what the cluster tool itself does with them: images and cleaning up."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from pocketkube.cluster import prepare
from pocketkube.cluster.components import POD_LABEL, node_socket
from pocketkube.cluster.errors import ClusterError
from pocketkube.cluster.layout import Layout
from pocketkube.cluster.spec import ClusterSpec, NodeSpec


def sockets(layout: Layout, spec: ClusterSpec) -> list[str]:
    """One socket an engine: nodes on this machine itself share its engine."""
    return list(dict.fromkeys(node_socket(layout, node) for node in spec.nodes))


def ours(spec: ClusterSpec) -> bool:
    """Whether an engine is one of the cluster's processes, and stops with it."""
    return spec.engine != "host" or any(n.own_engine for n in spec.nodes)


def each(layout: Layout, spec: ClusterSpec, do: Callable[[str], None]) -> None:
    """`do(socket)` for every engine, all at once; the first failure is raised once the others have ended."""
    found = sockets(layout, spec)
    if found:
        with ThreadPoolExecutor(min(len(found), 16)) as pool:
            list(pool.map(do, found))


def wait(path: str, *, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not prepare.engine_answers(path):
        if time.monotonic() > deadline:
            raise ClusterError(
                f"the Docker engine at {path} does not answer after {seconds:.0f}s: see ./pk logs engine"
            )
        time.sleep(0.05)


OLDEST = (20, 10)


def check_version(socket: str = "/var/run/docker.sock") -> None:
    """Raise if the engine there is too old for the kubelet."""
    text = docker(socket, "version", "--format", "{{.Server.Version}}").strip()
    found = tuple(int(part) for part in re.findall(r"\d+", text)[:2])
    if found < OLDEST:
        raise ClusterError(
            f"the Docker engine here is {text}, and {OLDEST[0]}.{OLDEST[1]} is the oldest that works: upgrade it"
        )


def docker(socket: str, *words: str, stdin: bytes | None = None) -> str:
    """Run the docker client against one engine; its error becomes ours."""
    done = subprocess.run(["docker", "-H", f"unix://{socket}", *words], input=stdin, capture_output=True)
    if done.returncode:
        raise ClusterError(f"docker {words[0]} failed: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout.decode()


def has_image(socket: str, name: str) -> bool:
    return bool(docker(socket, "images", "-q", name).strip())


def pod_containers(layout: Layout, spec: ClusterSpec, node: NodeSpec, *, running: bool = False) -> list[str]:
    socket = node_socket(layout, node)
    if not prepare.engine_answers(socket):
        return []
    root = layout.node(node.name) / "kubelet"
    scope = [] if running else ["-a"]
    return docker(socket, "ps", "-q", *scope, "--filter", f"label={POD_LABEL}={root}").split()


def stop_pods(layout: Layout, spec: ClusterSpec) -> int:
    """Kill what runs; containers stay, so that a start finds them. Returns how many."""
    return _each(layout, spec, ("kill",), running=True)


def remove_pods(layout: Layout, spec: ClusterSpec) -> int:
    return _each(layout, spec, ("rm", "-f", "-v"), running=False)


def _each(layout: Layout, spec: ClusterSpec, words: tuple[str, ...], *, running: bool) -> int:
    count = 0
    for node in spec.nodes:
        found = pod_containers(layout, spec, node, running=running)
        if found:
            subprocess.run(["docker", "-H", f"unix://{node_socket(layout, node)}", *words, *found], capture_output=True)
        count += len(found)
    return count
