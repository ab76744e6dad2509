"""Flags of the controller manager, named as upstream's, as one typed value."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any

from pocketkube.base import durations


def duration(text: str) -> float:
    """Seconds of a Go duration: `1m30s` is 90.0. Raises ArgumentTypeError."""
    try:
        return durations.parse(text)
    except ValueError as e:
        raise argparse.ArgumentTypeError(f"invalid duration {text!r}: write it as 40s or 5m0s") from e


def boolean(text: str) -> bool:
    if text.lower() in ("true", "t", "1"):
        return True
    if text.lower() in ("false", "f", "0"):
        return False
    raise argparse.ArgumentTypeError(f"invalid boolean {text!r}: true or false")


def words(text: str) -> tuple[str, ...]:
    return tuple(w for w in text.split(",") if w)


@dataclass(frozen=True, kw_only=True)
class Options:
    """Durations are seconds. Defaults are upstream's."""

    kubeconfig: str = ""
    master: str = ""
    authentication_kubeconfig: str = ""
    authorization_kubeconfig: str = ""
    bind_address: str = "0.0.0.0"
    secure_port: int = 10257
    tls_cert_file: str = ""
    tls_private_key_file: str = ""
    client_ca_file: str = ""
    requestheader_client_ca_file: str = ""
    controllers: tuple[str, ...] = ("*",)
    cluster_name: str = "kubernetes"
    leader_elect: bool = True
    leader_elect_lease_duration: float = 15.0
    leader_elect_renew_deadline: float = 10.0
    leader_elect_retry_period: float = 2.0
    leader_elect_resource_name: str = "kube-controller-manager"
    leader_elect_resource_namespace: str = "kube-system"
    use_service_account_credentials: bool = False
    service_account_private_key_file: str = ""
    root_ca_file: str = ""
    cluster_signing_cert_file: str = ""
    cluster_signing_key_file: str = ""
    cluster_signing_duration: float = 365 * 86400.0
    cluster_signing_kubelet_serving_cert_file: str = ""
    cluster_signing_kubelet_serving_key_file: str = ""
    cluster_signing_kubelet_client_cert_file: str = ""
    cluster_signing_kubelet_client_key_file: str = ""
    cluster_signing_kube_apiserver_client_cert_file: str = ""
    cluster_signing_kube_apiserver_client_key_file: str = ""
    cluster_signing_legacy_unknown_cert_file: str = ""
    cluster_signing_legacy_unknown_key_file: str = ""
    allocate_node_cidrs: bool = False
    cluster_cidr: str = ""
    service_cluster_ip_range: str = ""
    node_cidr_mask_size: int = 0
    node_cidr_mask_size_ipv4: int = 0
    node_cidr_mask_size_ipv6: int = 0
    node_monitor_period: float = 5.0
    node_monitor_grace_period: float = 40.0
    node_startup_grace_period: float = 60.0
    node_eviction_rate: float = 0.1
    secondary_node_eviction_rate: float = 0.01
    large_cluster_size_threshold: int = 50
    unhealthy_zone_threshold: float = 0.55
    terminated_pod_gc_threshold: int = 12500
    concurrent_deployment_syncs: int = 5
    concurrent_replicaset_syncs: int = 5
    concurrent_statefulset_syncs: int = 5
    concurrent_daemonset_syncs: int = 2
    concurrent_job_syncs: int = 5
    concurrent_cron_job_syncs: int = 5
    concurrent_rc_syncs: int = 5
    concurrent_endpoint_syncs: int = 5
    concurrent_service_endpoint_syncs: int = 5
    mirroring_concurrent_service_endpoint_syncs: int = 5
    mirroring_max_endpoints_per_subset: int = 1000
    max_endpoints_per_slice: int = 100
    concurrent_namespace_syncs: int = 10
    concurrent_serviceaccount_token_syncs: int = 5
    concurrent_gc_syncs: int = 20
    concurrent_resource_quota_syncs: int = 5
    concurrent_ttl_after_finished_syncs: int = 5
    concurrent_horizontal_pod_autoscaler_syncs: int = 5
    enable_garbage_collector: bool = True
    horizontal_pod_autoscaler_sync_period: float = 15.0
    horizontal_pod_autoscaler_downscale_stabilization: float = 300.0
    horizontal_pod_autoscaler_tolerance: float = 0.1
    horizontal_pod_autoscaler_initial_readiness_delay: float = 30.0
    horizontal_pod_autoscaler_cpu_initialization_period: float = 300.0
    profiling: bool = True
    kube_api_qps: float = 20.0
    kube_api_burst: int = 30
    feature_gates: str = ""
    v: int = 0


_PARSERS: dict[str, Callable[[str], Any]] = {"str": str, "int": int, "bool": boolean, "tuple[str, ...]": words}


def _is_duration(name: str) -> bool:
    return not name.endswith(("_rate", "_threshold", "_tolerance", "_qps"))


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="controller", description="Runs the control loops of a cluster.", allow_abbrev=False
    )
    for option in fields(Options):
        kind = str(option.type)
        flag = "--" + option.name.replace("_", "-")
        if kind == "bool":
            made.add_argument(flag, type=boolean, nargs="?", const=True, default=option.default, metavar="BOOL")
        else:
            parse = _PARSERS.get(kind) or (duration if _is_duration(option.name) else float)
            made.add_argument(flag, type=parse, default=option.default, metavar=kind.split("[")[0].upper())
    return made


def parse(arguments: Sequence[str] | None = None) -> Options:
    """Exits with status 2 and a line that names the wrong flag."""
    return Options(**vars(parser().parse_args(arguments)))
