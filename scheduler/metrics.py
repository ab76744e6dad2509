"""The scheduler's metrics under upstream's names."""

from __future__ import annotations

from pocketkube.base.metrics import counter, gauge, histogram

ATTEMPTS = counter(
    "scheduler_schedule_attempts_total",
    "Tries to schedule a pod, by result: scheduled, unschedulable or error.",
    ("result", "profile"),
)
ATTEMPT_SECONDS = histogram(
    "scheduler_scheduling_attempt_duration_seconds",
    "How long one decision took, without binding.",
    ("result", "profile"),
    buckets=tuple(0.00001 * 4**i for i in range(10)),
)
SCHEDULED_AFTER = histogram(
    "scheduler_pod_scheduling_sli_duration_seconds",
    "From a pod's arrival in the queue until it is bound, over all tries.",
    buckets=tuple(0.001 * 2**i for i in range(16)),
)
PENDING = gauge(
    "scheduler_pending_pods", "Pods that wait, by queue: active, backoff, unschedulable, gated.", ("queue",)
)


def attempted(result: str, profile: str, seconds: float) -> None:
    ATTEMPTS.labels(result, profile).inc()
    ATTEMPT_SECONDS.labels(result, profile).observe(seconds)
