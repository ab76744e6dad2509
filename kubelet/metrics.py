"""What the kubelet counts of itself, in upstream's names."""

from __future__ import annotations

from pocketkube.base import metrics

RUNNING_PODS = metrics.gauge("kubelet_running_pods", "Number of pods that have a running pod sandbox")
RUNNING_CONTAINERS = metrics.gauge(
    "kubelet_running_containers", "Number of containers currently running", ["container_state"]
)
POD_START_SECONDS = metrics.histogram(
    "kubelet_pod_start_duration_seconds",
    "Duration in seconds from the kubelet seeing a pod for the first time to the pod starting to run",
    buckets=(0.1, 0.25, 0.5, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512),
)
STARTED_CONTAINERS = metrics.counter("kubelet_started_containers", "Cumulative number of containers started")
START_ERRORS = metrics.counter(
    "kubelet_started_containers_errors", "Cumulative number of errors when starting containers"
)
EVICTIONS = metrics.counter(
    "kubelet_evictions", "Cumulative number of pod evictions by eviction signal", ["eviction_signal"]
)
