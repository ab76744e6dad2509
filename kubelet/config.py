"""The kubelet's settings, from flags and a KubeletConfiguration file: flags win, as upstream."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class KubeletConfig:
    """Field names are KubeletConfiguration's in snake case; times in seconds."""

    node_name: str
    kubeconfig: str = ""
    bootstrap_kubeconfig: str = ""
    root_dir: Path = Path("/var/lib/kubelet")
    cert_dir: Path = Path("/var/lib/kubelet/pki")
    runtime_endpoint: str = "unix:///var/run/docker.sock"
    infra_image: str = "pocketkube/pause:1"
    node_ips: tuple[str, ...] = ()
    pod_cidr: str = ""
    cluster_cidr: str = ""
    cluster_dns: tuple[str, ...] = ()
    cluster_domain: str = "cluster.local"
    resolv_conf: Path = Path("/etc/resolv.conf")
    address: str = "0.0.0.0"
    port: int = 10250
    read_only_port: int = 10255
    healthz_port: int = 10248
    healthz_address: str = "127.0.0.1"
    tls_cert: Path | None = None
    tls_key: Path | None = None
    client_ca: Path | None = None
    anonymous_auth: bool = False
    webhook_authentication: bool = True
    authorization_mode: str = "Webhook"
    register_node: bool = True
    register_schedulable: bool = True
    node_labels: tuple[tuple[str, str], ...] = ()
    taints: tuple[tuple[str, str, str], ...] = ()  # key, value, effect
    provider_id: str = ""
    max_pods: int = 110
    static_pod_path: Path | None = None
    file_check_seconds: float = 20.0
    status_update_seconds: float = 10.0
    status_report_seconds: float = 300.0
    lease_seconds: int = 40
    image_gc_high: int = 85  # percent of the disk
    image_gc_low: int = 80
    image_minimum_age: float = 120.0
    max_dead_containers: int = 1  # a container, beside the newest
    eviction_hard: tuple[tuple[str, str], ...] = (
        ("memory.available", "100Mi"),
        ("nodefs.available", "10%"),
        ("imagefs.available", "15%"),
        ("nodefs.inodesFree", "5%"),
    )
    eviction_soft: tuple[tuple[str, str], ...] = ()
    eviction_soft_grace: tuple[tuple[str, float], ...] = ()
    eviction_max_grace: int = 0
    pressure_transition_seconds: float = 300.0
    system_reserved: tuple[tuple[str, str], ...] = ()
    kube_reserved: tuple[tuple[str, str], ...] = ()
    allowed_unsafe_sysctls: tuple[str, ...] = ()
    seccomp_default: bool = False
    pod_pids_limit: int = -1
    streaming_idle_seconds: float = 4 * 3600.0
    sync_seconds: float = 60.0
    rotate_certificates: bool = True
    rotate_server_certificates: bool = False
    mtu: int = 1500
    feature_gates: tuple[tuple[str, bool], ...] = field(default=())
