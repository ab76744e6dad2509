"""Command-line flags, named as upstream's, and a KubeletConfiguration file, as one KubeletConfig."""

from __future__ import annotations

import argparse
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kubelet.config import KubeletConfig
from pocketkube.base import durations

Obj = dict[str, Any]


def seconds(text: str) -> float:
    """`1h30m`, `10s`, or a bare number. Raises ValueError."""
    try:
        return float(text)
    except ValueError:
        return durations.parse(text)


def boolean(text: str) -> bool:
    if text.lower() not in ("true", "false", "1", "0", "t", "f"):
        raise ValueError(f"not a boolean: {text!r}")
    return text.lower() in ("true", "1", "t")


def words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def pairs(text: str, separator: str = "=") -> tuple[tuple[str, str], ...]:
    """`a=b,c=d`. Raises ValueError."""
    found = [word.partition(separator) for word in words(text)]
    if not all(middle for _, middle, _ in found):
        raise ValueError(f"not a list of name{separator}value: {text!r}")
    return tuple((name.strip(), value.strip()) for name, _, value in found)


def thresholds(text: str) -> tuple[tuple[str, str], ...]:
    return pairs(text, "<")


def taints(text: str) -> tuple[tuple[str, str, str], ...]:
    """`key=value:Effect,key:Effect`. Raises ValueError."""
    found = []
    for word in words(text):
        named, middle, effect = word.rpartition(":")
        if not middle or effect not in ("NoSchedule", "PreferNoSchedule", "NoExecute"):
            raise ValueError(f"not a taint: {word!r}")
        key, _, value = named.partition("=")
        found.append((key, value, effect))
    return tuple(found)


# flag, KubeletConfig's field, how it is read, help
FLAGS: tuple[tuple[str, str, Any, str], ...] = (
    ("kubeconfig", "kubeconfig", str, "how to reach the API server"),
    ("bootstrap-kubeconfig", "bootstrap_kubeconfig", str, "used once, to get the certificate that --kubeconfig then holds"),
    ("root-dir", "root_dir", Path, "folder of pods' volumes and files"),
    ("cert-dir", "cert_dir", Path, "folder of the certificates that the kubelet gets itself"),
    ("container-runtime-endpoint", "runtime_endpoint", str, "socket of the engine; unix:///var/run/docker.sock is Docker"),
    ("pod-infra-container-image", "infra_image", str, "image of each pod's first container; made if it is not there"),
    ("node-ip", "node_ips", words, "addresses of this node"),
    ("pod-cidr", "pod_cidr", str, "addresses of this node's pods, where the API server does not say"),
    ("cluster-cidr", "cluster_cidr", str, "addresses of all nodes' pods: traffic between them is never translated"),
    ("cluster-dns", "cluster_dns", words, "addresses of the cluster's DNS"),
    ("cluster-domain", "cluster_domain", str, "the cluster's domain"),
    ("resolv-conf", "resolv_conf", Path, "the host's resolver configuration, base of the pods'"),
    ("address", "address", str, "address to serve on"),
    ("port", "port", int, "port of the authenticated server"),
    ("read-only-port", "read_only_port", int, "port of the server without authentication, on loopback; 0 for none"),
    ("healthz-port", "healthz_port", int, "port of /healthz; 0 for none"),
    ("healthz-bind-address", "healthz_address", str, "address of /healthz"),
    ("tls-cert-file", "tls_cert", Path, "certificate of the server; made and self-signed without one"),
    ("tls-private-key-file", "tls_key", Path, "its key"),
    ("client-ca-file", "client_ca", Path, "authority of client certificates"),
    ("anonymous-auth", "anonymous_auth", boolean, "let unauthenticated requests in as system:anonymous"),
    ("authentication-token-webhook", "webhook_authentication", boolean, "ask the API server who a token is"),
    ("authorization-mode", "authorization_mode", str, "Webhook or AlwaysAllow"),
    ("register-node", "register_node", boolean, "register this node with the API server"),
    ("register-schedulable", "register_schedulable", boolean, "register it as schedulable"),
    ("node-labels", "node_labels", pairs, "labels of a newly registered node"),
    ("register-with-taints", "taints", taints, "its taints"),
    ("provider-id", "provider_id", str, "its provider id"),
    ("max-pods", "max_pods", int, "how many pods it takes"),
    ("pod-manifest-path", "static_pod_path", Path, "folder of static pods' manifests"),
    ("file-check-frequency", "file_check_seconds", seconds, "how often to look there"),
    ("node-status-update-frequency", "status_update_seconds", seconds, "how often to look at the node's status"),
    ("image-gc-high-threshold", "image_gc_high", int, "percent of the disk from which on images are removed"),
    ("image-gc-low-threshold", "image_gc_low", int, "percent of the disk down to which they are"),
    ("minimum-image-ttl-duration", "image_minimum_age", seconds, "age before which an unused image stays"),
    ("maximum-dead-containers-per-container", "max_dead_containers", int, "ended attempts that are kept beside the newest"),
    ("eviction-hard", "eviction_hard", thresholds, "what must stay free: memory.available<100Mi,..."),
    ("eviction-soft", "eviction_soft", thresholds, "what should stay free"),
    ("eviction-soft-grace-period", "eviction_soft_grace", pairs, "how long it may be short"),
    ("eviction-max-pod-grace-period", "eviction_max_grace", int, "seconds that a softly evicted pod gets at most"),
    ("eviction-pressure-transition-period", "pressure_transition_seconds", seconds, "how long pressure shows after it has gone"),
    ("system-reserved", "system_reserved", pairs, "resources that pods do not get"),
    ("kube-reserved", "kube_reserved", pairs, "resources that pods do not get"),
    ("allowed-unsafe-sysctls", "allowed_unsafe_sysctls", words, "sysctls beyond the safe ones that pods may set"),
    ("seccomp-default", "seccomp_default", boolean, "RuntimeDefault for pods that say nothing"),
    ("pod-max-pids", "pod_pids_limit", int, "processes of a pod"),
    ("streaming-connection-idle-timeout", "streaming_idle_seconds", seconds, "when an idle exec or attach is closed"),
    ("sync-frequency", "sync_seconds", seconds, "how often a pod is looked at when nothing happens"),
    ("rotate-server-certificates", "rotate_server_certificates", boolean, "ask the cluster for the server's certificate, too"),
    ("rotate-certificates", "rotate_certificates", boolean, "renew the client certificate before it ends"),
)  # fmt: skip

# KubeletConfiguration's field -> KubeletConfig's, where they are not the same by snake case
FILE_FIELDS: dict[str, tuple[str, Any]] = {
    "staticPodPath": ("static_pod_path", Path),
    "fileCheckFrequency": ("file_check_seconds", seconds),
    "syncFrequency": ("sync_seconds", seconds),
    "address": ("address", str),
    "port": ("port", int),
    "readOnlyPort": ("read_only_port", int),
    "healthzPort": ("healthz_port", int),
    "healthzBindAddress": ("healthz_address", str),
    "tlsCertFile": ("tls_cert", Path),
    "tlsPrivateKeyFile": ("tls_key", Path),
    "rotateCertificates": ("rotate_certificates", bool),
    "serverTLSBootstrap": ("rotate_server_certificates", bool),
    "clusterDomain": ("cluster_domain", str),
    "clusterDNS": ("cluster_dns", tuple),
    "resolvConf": ("resolv_conf", Path),
    "maxPods": ("max_pods", int),
    "podCIDR": ("pod_cidr", str),
    "containerRuntimeEndpoint": ("runtime_endpoint", str),
    "nodeStatusUpdateFrequency": ("status_update_seconds", seconds),
    "nodeStatusReportFrequency": ("status_report_seconds", seconds),
    "nodeLeaseDurationSeconds": ("lease_seconds", int),
    "imageMinimumGCAge": ("image_minimum_age", seconds),
    "imageGCHighThresholdPercent": ("image_gc_high", int),
    "imageGCLowThresholdPercent": ("image_gc_low", int),
    "evictionHard": ("eviction_hard", lambda v: tuple(v.items())),
    "evictionSoft": ("eviction_soft", lambda v: tuple(v.items())),
    "evictionSoftGracePeriod": ("eviction_soft_grace", lambda v: tuple((k, seconds(s)) for k, s in v.items())),
    "evictionMaxPodGracePeriod": ("eviction_max_grace", int),
    "evictionPressureTransitionPeriod": ("pressure_transition_seconds", seconds),
    "systemReserved": ("system_reserved", lambda v: tuple((k, str(a)) for k, a in v.items())),
    "kubeReserved": ("kube_reserved", lambda v: tuple((k, str(a)) for k, a in v.items())),
    "allowedUnsafeSysctls": ("allowed_unsafe_sysctls", tuple),
    "seccompDefault": ("seccomp_default", bool),
    "podPidsLimit": ("pod_pids_limit", int),
    "streamingConnectionIdleTimeout": ("streaming_idle_seconds", seconds),
    "registerNode": ("register_node", bool),
    "providerID": ("provider_id", str),
    "registerWithTaints": (
        "taints",
        lambda v: tuple((t["key"], t.get("value") or "", t["effect"]) for t in v),
    ),
}


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="kubelet", description="Runs the pods that are bound to this node.", allow_abbrev=False
    )
    made.add_argument("--hostname-override", help="name of the node; the host's by default")
    made.add_argument("--config", type=Path, help="a KubeletConfiguration file; flags win over it")
    made.add_argument("--v", type=int, default=2, help="verbosity; from 4 on it debugs")
    made.add_argument(
        "--cleanup", action="store_true", help="remove this node's containers, mounts and network, and end"
    )
    for flag, field, kind, text in FLAGS:
        extra: Obj = {"nargs": "?", "const": True} if kind is boolean else {}
        made.add_argument(f"--{flag}", dest=field, type=kind, default=None, help=text, **extra)
    for ignored in (
        "cgroup-driver",
        "cgroup-root",
        "cgroups-per-qos",
        "enforce-node-allocatable",
        "feature-gates",
        "fail-swap-on",
    ):
        made.add_argument(f"--{ignored}", nargs="?", help="accepted for compatibility")
    return made


def parse(arguments: Sequence[str] | None = None) -> tuple[KubeletConfig, argparse.Namespace]:
    """Ends the process with a usage message for flags that mean nothing."""
    made = parser()
    given = made.parse_args(arguments)
    try:
        settings = from_file(given.config) if given.config else {}
    except (OSError, ValueError) as e:
        made.error(f"--config {given.config}: {e}")
    settings |= {field: value for _, field, _, _ in FLAGS if (value := getattr(given, field)) is not None}
    if "eviction_soft_grace" in settings:
        settings["eviction_soft_grace"] = tuple((k, seconds(str(v))) for k, v in settings["eviction_soft_grace"])
    settings["node_name"] = (given.hostname_override or socket.gethostname()).lower()
    if "root_dir" in settings and "cert_dir" not in settings:
        settings["cert_dir"] = settings["root_dir"] / "pki"
    return KubeletConfig(**settings), given


def from_file(path: Path) -> Obj:
    """The fields of a KubeletConfiguration that this kubelet knows. Raises ValueError, OSError."""
    import yaml

    try:
        content = yaml.safe_load(path.read_text()) or {}
    except yaml.YAMLError as e:
        raise ValueError(str(e)) from e
    if content.get("kind") != "KubeletConfiguration":
        raise ValueError("not a KubeletConfiguration")
    found: Obj = {}
    for name, (field, convert) in FILE_FIELDS.items():
        if content.get(name) is not None:
            found[field] = convert(content[name])
    authentication = content.get("authentication") or {}
    if authority := (authentication.get("x509") or {}).get("clientCAFile"):
        found["client_ca"] = Path(authority)
    for section, field in (("anonymous", "anonymous_auth"), ("webhook", "webhook_authentication")):
        if (enabled := (authentication.get(section) or {}).get("enabled")) is not None:
            found[field] = bool(enabled)
    if mode := (content.get("authorization") or {}).get("mode"):
        found["authorization_mode"] = mode
    return found


def to_file(config: KubeletConfig) -> Obj:
    """The settings as /configz shows them."""
    found: Obj = {"kind": "KubeletConfiguration", "apiVersion": "kubelet.config.k8s.io/v1beta1"}
    for name, (field, _) in FILE_FIELDS.items():
        value = getattr(config, field)
        if value not in (None, "", ()):
            plain = isinstance(value, int | str | float | bool)
            found[name] = value if plain else [*value] if isinstance(value, tuple) else str(value)
    return found
