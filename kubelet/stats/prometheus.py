"""A Summary as Prometheus text, in the names of /metrics/resource and /metrics/cadvisor."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pocketkube.api.meta import times

Obj = dict[str, Any]
Sample = tuple[str, dict[str, str], float]


def render(summary: Obj) -> bytes:
    """The text, grouped by metric."""
    lines: dict[str, list[str]] = {}
    for name, labels, value in _samples(summary):
        inner = ",".join(f'{k}="{v}"' for k, v in labels.items())
        lines.setdefault(name, []).append(f"{name}{{{inner}}} {value}" if inner else f"{name} {value}")
    text = []
    for name, samples in lines.items():
        text += [f"# TYPE {name} {'counter' if name.endswith('_total') else 'gauge'}", *samples]
    return ("\n".join(text) + "\n").encode()


def _samples(summary: Obj) -> Iterator[Sample]:
    node = summary["node"]
    yield "node_cpu_usage_seconds_total", {}, node["cpu"]["usageCoreNanoSeconds"] / 1e9
    yield "node_memory_working_set_bytes", {}, node["memory"]["workingSetBytes"]
    yield "node_swap_usage_bytes", {}, node["swap"]["swapUsageBytes"]
    for pod in summary["pods"]:
        ref = {"namespace": pod["podRef"]["namespace"], "pod": pod["podRef"]["name"]}
        yield "pod_cpu_usage_seconds_total", ref, pod["cpu"]["usageCoreNanoSeconds"] / 1e9
        yield "pod_memory_working_set_bytes", ref, pod["memory"]["workingSetBytes"]
        yield from _network(pod.get("network") or {}, ref)
        for container in pod["containers"]:
            yield from _container(container, {"container": container["name"], **ref})
    yield "resource_scrape_error", {}, 0


def _container(container: Obj, who: dict[str, str]) -> Iterator[Sample]:
    memory = container["memory"]
    yield "container_start_time_seconds", who, times.parse(container["startTime"]).timestamp()
    yield "container_cpu_usage_seconds_total", who, container["cpu"]["usageCoreNanoSeconds"] / 1e9
    yield "container_memory_working_set_bytes", who, memory["workingSetBytes"]
    yield "container_memory_usage_bytes", who, memory["usageBytes"]
    yield "container_memory_rss", who, memory["rssBytes"]
    yield "container_fs_usage_bytes", who, container["rootfs"]["usedBytes"]


def _network(network: Obj, ref: dict[str, str]) -> Iterator[Sample]:
    for interface in network.get("interfaces") or ():
        who = {"interface": interface["name"], **ref}
        yield "container_network_receive_bytes_total", who, interface["rxBytes"]
        yield "container_network_transmit_bytes_total", who, interface["txBytes"]
