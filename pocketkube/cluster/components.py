"""The processes of a cluster, as command lines: a pure function of the spec. Flags are upstream's."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from pocketkube.cluster.layout import REPOSITORY, Layout, home
from pocketkube.cluster.spec import ClusterSpec, NodeSpec

CONTROL_PLANE = "control-plane"
CONTROL_PLANE_ROLE = "node-role.kubernetes.io/control-plane"
HOST_SOCKET = "/var/run/docker.sock"
PAUSE_IMAGE = "pocketkube/pause:1"
POD_LABEL = "pocketkube.io/kubelet"  # every container says whose it is: the kubelet's --root-dir
# Shorter where all others wait for it. A node's agent gets long: its node is given up before, and pods moved.
SILENCE = {"balancer": 5.0, "apiserver": 15.0, "scheduler": 60.0, "controller": 60.0, "proxy": 60.0, "kubelet": 120.0}


@dataclass(frozen=True, kw_only=True)
class Component:
    """One supervised process. `netns` names the network namespace that it lives in; `log` is a file name below logs/."""

    name: str
    node: str
    argv: tuple[str, ...]
    netns: str = ""
    log: str = ""
    env: dict[str, str] = field(default_factory=dict)
    stop_seconds: float = 10
    pid_files: tuple[Path, ...] = ()  # which it believes at its start, so stale ones must be gone by then
    last: tuple[str, ...] = ()  # a command to run before it is told to stop

    @property
    def silence_seconds(self) -> float:
        """After so long without a sign of life it is taken to hang; 0 for what gives none."""
        return SILENCE.get(self.name, 0.0)

    @property
    def id(self) -> str:
        return self.log.removesuffix(".log")

    def command(self) -> list[str]:
        # nsenter, not `ip netns exec`: the latter remounts /sys and hides the cgroups that an engine needs
        enter = ["nsenter", f"--net=/run/netns/{self.netns}", "--"] if self.netns else []
        return [*enter, *self.argv]


def components(layout: Layout, spec: ClusterSpec, *, etcd: str = "etcd") -> list[Component]:
    """In starting order; stopping goes the other way."""
    engine = [_host_engine()] if spec.engine == "own" else []
    control = _control_plane(layout, spec, etcd) if spec.control_plane else []
    workers = [c for node in spec.nodes for c in _worker(layout, spec, node)]
    made = [*engine, *control, *workers]
    return [_overridden(c, spec.flags) for c in made] if spec.flags else made


def _control_plane(layout: Layout, spec: ClusterSpec, etcd: str) -> list[Component]:
    """Each part as often as asked, and what this machine itself needs to reach services and pods on nodes elsewhere."""
    copies = range(spec.api_servers)
    made = [_etcd(layout, spec, i, etcd) for i in range(spec.etcd_members)]
    made += [_balancer(layout, spec, i) for i in range(2)] if spec.balanced else []  # they share the port: one may die
    made += [_apiserver(layout, spec, i) for i in copies]
    made += [make(layout, spec, i) for make in (_scheduler, _controller) for i in copies]
    if all(node.netns for node in spec.nodes):
        made.append(_proxy(layout, spec, NodeSpec(name=CONTROL_PLANE, address=spec.address), suffix="-control-plane"))
    return made


def _overridden(component: Component, flags: dict[str, str]) -> Component:
    """`flags` that name this component come last on its command line, where they win."""
    own = [f"--{k.partition('.')[2]}={v}" for k, v in flags.items() if k.partition(".")[0] == component.name]
    return replace(component, argv=(*component.argv, *own)) if own else component


def _python(module: str, flags: dict[str, str]) -> tuple[str, ...]:
    return (sys.executable, "-m", module, *(f"--{k}={v}" for k, v in flags.items()))


def _component(
    name: str, node: str, argv: tuple[str, ...], *, suffix: str = "", netns: str = "", stop: float = 10,
    pid_files: tuple[Path, ...] = (), last: tuple[str, ...] = (),
) -> Component:  # fmt: skip
    # compiled modules are kept with the clusters: the checkout may be read-only, and a start without them takes twice the time
    folder = os.environ.get(
        "PYTHONPYCACHEPREFIX", str(home() / "compiled")
    )  # an image has them beside the sources and says ""
    compiled = {"PYTHONPYCACHEPREFIX": folder, "PYTHONDONTWRITEBYTECODE": ""}
    env = {"PYTHONPATH": str(REPOSITORY), "PYTHONUNBUFFERED": "1", **compiled}
    log = f"{name}{suffix}.log"
    return Component(
        name=name, node=node, argv=argv, netns=netns, log=log, env=env, stop_seconds=stop, pid_files=pid_files, last=last
    )  # fmt: skip


def _host_engine() -> Component:
    argv = ("dockerd", "-H", f"unix://{HOST_SOCKET}", "--live-restore")
    files = _pid_files(Path("/var/run/docker"))
    return _component("engine", CONTROL_PLANE, argv, stop=30, pid_files=files, last=_end_pods(HOST_SOCKET))


def _end_pods(socket: str) -> tuple[str, ...]:
    """Pods would outlive their engine, which they shall when it dies, not when the cluster is stopped."""
    docker = f"docker -H unix://{socket}"
    return "sh", "-c", f"{docker} ps -q --filter label={POD_LABEL} | xargs -r {docker} kill"


def _pid_files(state: Path) -> tuple[Path, ...]:
    """An engine's own and that of its containerd. One that outlived a crash costs it 15 s, for it awaits that containerd."""
    return state.with_name(f"{state.name}.pid"), state / "containerd" / "containerd.pid"


def etcd_peer(spec: ClusterSpec, index: int) -> str:
    return f"https://127.0.0.1:{spec.etcd_ports(index)[1]}"


def etcd_members(spec: ClusterSpec) -> str:
    """All members as `--initial-cluster` takes them."""
    return ",".join(f"m{i}={etcd_peer(spec, i)}" for i in range(spec.etcd_members))


def _etcd(layout: Layout, spec: ClusterSpec, index: int, binary: str) -> Component:
    client, _ = spec.etcd_ports(index)
    pki = layout.pki
    flags = {
        "name": f"m{index}",
        "data-dir": layout.etcd(index),
        "listen-client-urls": f"https://127.0.0.1:{client}",
        "advertise-client-urls": f"https://127.0.0.1:{client}",
        "listen-peer-urls": etcd_peer(spec, index),
        "initial-advertise-peer-urls": etcd_peer(spec, index),
        "initial-cluster": etcd_members(spec),
        "initial-cluster-token": f"pocketkube-{spec.name}",
        "cert-file": pki / "etcd.crt",
        "key-file": pki / "etcd.key",
        "client-cert-auth": "true",
        "trusted-ca-file": pki / "etcd-ca.crt",
        "peer-cert-file": pki / "etcd.crt",
        "peer-key-file": pki / "etcd.key",
        "peer-client-cert-auth": "true",
        "peer-trusted-ca-file": pki / "etcd-ca.crt",
        "logger": "zap",
        "log-level": "warn",
    }
    suffix = f"-{index}" if spec.etcd_members > 1 else ""
    return _component("etcd", CONTROL_PLANE, (binary, *(f"--{k}={v}" for k, v in flags.items())), suffix=suffix)


def _balancer(layout: Layout, spec: ClusterSpec, index: int) -> Component:
    flags = {"listen": f"0.0.0.0:{spec.api_port}", "backends": str(layout.backends)}
    return _component("balancer", CONTROL_PLANE, _python("pocketkube.cluster.balancer", flags), suffix=f"-{index}")


def _apiserver(layout: Layout, spec: ClusterSpec, index: int) -> Component:
    pki = layout.pki
    flags = {
        "etcd-servers": spec.etcd_urls,
        "etcd-cafile": pki / "etcd-ca.crt",
        "etcd-certfile": pki / "apiserver-etcd-client.crt",
        "etcd-keyfile": pki / "apiserver-etcd-client.key",
        "bind-address": "0.0.0.0",
        "secure-port": spec.server_port(index),
        "permit-port-sharing": "true",  # with the balancers, while they take the port over
        "advertise-address": spec.address,
        "advertise-port": spec.api_port,
        "client-ca-file": pki / "ca.crt",
        "tls-cert-file": pki / "apiserver.crt",
        "tls-private-key-file": pki / "apiserver.key",
        "service-account-key-file": pki / "sa.pub",
        "service-account-signing-key-file": pki / "sa.key",
        "service-account-issuer": f"https://kubernetes.default.svc.{spec.domain}",
        "service-cluster-ip-range": spec.service_cidr,
        "authorization-mode": "Node,RBAC",
        "enable-admission-plugins": "NodeRestriction",
        "enable-bootstrap-token-auth": "true",
        "allow-privileged": "true",
        "kubelet-client-certificate": pki / "apiserver-kubelet-client.crt",
        "kubelet-client-key": pki / "apiserver-kubelet-client.key",
        "kubelet-certificate-authority": pki / "ca.crt",
        "kubelet-preferred-address-types": "InternalIP,Hostname",
        "proxy-client-cert-file": pki / "front-proxy-client.crt",
        "proxy-client-key-file": pki / "front-proxy-client.key",
        "requestheader-client-ca-file": pki / "front-proxy-ca.crt",
        "requestheader-allowed-names": "front-proxy-client",
        "requestheader-username-headers": "X-Remote-User",
        "requestheader-group-headers": "X-Remote-Group",
        "requestheader-extra-headers-prefix": "X-Remote-Extra-",
    }
    suffix = f"-{index}" if spec.balanced else ""
    return _component("apiserver", CONTROL_PLANE, _python("apiserver", _text(flags)), suffix=suffix)


def _scheduler(layout: Layout, spec: ClusterSpec, index: int) -> Component:
    flags = {
        "kubeconfig": layout.component_kubeconfig("scheduler"),
        "bind-address": "127.0.0.1",
        "secure-port": spec.replica_port(10259, index),
        "tls-cert-file": layout.pki / "scheduler.crt",
        "tls-private-key-file": layout.pki / "scheduler.key",
        "leader-elect": "true" if spec.balanced else "false",
    }
    suffix = f"-{index}" if spec.balanced else ""
    return _component("scheduler", CONTROL_PLANE, _python("scheduler", _text(flags)), suffix=suffix)


def _controller(layout: Layout, spec: ClusterSpec, index: int) -> Component:
    pki = layout.pki
    flags = {
        "kubeconfig": layout.component_kubeconfig("controller"),
        "bind-address": "127.0.0.1",
        "secure-port": spec.replica_port(10257, index),
        "tls-cert-file": pki / "controller.crt",
        "tls-private-key-file": pki / "controller.key",
        "leader-elect": "true" if spec.balanced else "false",
        "allocate-node-cidrs": "true",
        "cluster-cidr": spec.pod_cidr,
        "service-cluster-ip-range": spec.service_cidr,
        "root-ca-file": pki / "ca.crt",
        "service-account-private-key-file": pki / "sa.key",
        "cluster-signing-cert-file": pki / "ca.crt",
        "cluster-signing-key-file": pki / "ca.key",
        "use-service-account-credentials": "true",
        "controllers": "*,bootstrapsigner,tokencleaner,kubelet-serving-approving-controller,ephemeral-node-controller",
    }
    suffix = f"-{index}" if spec.balanced else ""
    return _component("controller", CONTROL_PLANE, _python("controller", _text(flags)), suffix=suffix)


def _worker(layout: Layout, spec: ClusterSpec, node: NodeSpec) -> list[Component]:
    socket = node_socket(layout, node)
    suffix = f"-{node.name}" if node.netns or len(spec.nodes) > 1 else ""
    make: Callable[..., Component] = lambda name, argv, **kw: _component(  # noqa: E731
        name, node.name, argv, suffix=suffix, netns=node.netns, **kw
    )
    port = spec.port if not node.netns else (lambda usual: usual)  # a host of its own has all ports to itself
    folder = layout.node(node.name)
    kubelet = {
        "kubeconfig": layout.component_kubeconfig(f"kubelet-{node.name}"),
        "hostname-override": node.name,
        "node-ip": node.address,
        "root-dir": folder / "kubelet",
        "container-runtime-endpoint": f"unix://{socket}",
        "pod-infra-container-image": PAUSE_IMAGE,
        "cluster-dns": spec.dns_ip,
        "cluster-domain": spec.domain,
        "cluster-cidr": spec.pod_cidr,
        "client-ca-file": layout.pki / "ca.crt",
        "tls-cert-file": layout.pki / f"kubelet-{node.name}-serving.crt",
        "tls-private-key-file": layout.pki / f"kubelet-{node.name}-serving.key",
        "port": port(10250),
        "read-only-port": port(10255),
        "healthz-port": port(10248),
    }
    if not spec.workloads:
        kubelet["register-with-taints"] = f"{CONTROL_PLANE_ROLE}:NoSchedule"
    if spec.labels:
        kubelet["node-labels"] = ",".join(f"{k}={v}" for k, v in spec.labels.items())
    made = [make("kubelet", _python("kubelet", _text(kubelet))), _proxy(layout, spec, node, suffix=suffix)]
    if node.own_engine:
        files = _pid_files(engine_state(layout, node))
        last = _end_pods(node_socket(layout, node))
        made.insert(0, make("engine", _node_engine(layout, node), stop=30, pid_files=files, last=last))
    return made


def _proxy(layout: Layout, spec: ClusterSpec, node: NodeSpec, *, suffix: str) -> Component:
    port = spec.port if not node.netns else (lambda usual: usual)
    flags = {
        "kubeconfig": layout.component_kubeconfig("proxy"),
        "hostname-override": node.name,
        "node-ip": node.address,
        "cluster-cidr": spec.pod_cidr,
        "node-routes": "true",
        "cluster-dns": spec.dns_ip,
        "cluster-domain": spec.domain,
        "nftables-table": proxy_table(spec, node),
        "healthz-bind-address": f"127.0.0.1:{port(10256)}",
        "metrics-bind-address": f"127.0.0.1:{port(10249)}",
    }
    return _component("proxy", node.name, _python("proxy", _text(flags)), suffix=suffix, netns=node.netns)


def proxy_table(spec: ClusterSpec, node: NodeSpec) -> str:
    """The kernel's table of services: clusters that share a host have one each."""
    return "pocketkube" if spec.slot == 0 or node.netns else f"pocketkube-{spec.name}"


def node_socket(layout: Layout, node: NodeSpec) -> str:
    return f"{engine_state(layout, node)}.sock" if node.own_engine else HOST_SOCKET


def engine_state(layout: Layout, node: NodeSpec) -> Path:
    """Where a node's own engine keeps what does not outlive it; its socket and pid file lie beside. Short: sockets' paths are limited."""
    return Path("/run/pocketkube", f"{layout.name}-{node.name}")


def _node_engine(layout: Layout, node: NodeSpec) -> tuple[str, ...]:
    folder = layout.node(node.name)
    return (
        "dockerd", "--data-root", str(folder / "engine"), "--exec-root", str(engine_state(layout, node)),
        "--pidfile", f"{engine_state(layout, node)}.pid", "-H", f"unix://{node_socket(layout, node)}",
        "--bridge", "none", "--iptables=false", "--ip-forward=true", "--live-restore",
        "--containerd-namespace", f"pk-{layout.name}-{node.name}",  # a containerd of the machine serves all engines on it
    )  # fmt: skip


def _text(flags: dict[str, object]) -> dict[str, str]:
    return {k: str(v) for k, v in flags.items()}
