"""etcd_request_duration_seconds: how long etcd takes, by operation and resource."""

from __future__ import annotations

from apiserver.timings import Timings

# Seconds; upstream's.
BUCKETS = (0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60)


def resource_of(key: str, start: int = len("/registry/")) -> str:
    """The folder of a key, which begins at `start`: `pods`; of a custom resource its group, a slash and its plural."""
    end = key.find("/", start)
    folder = key[start:end]
    if "." in folder:
        folder = key[start : key.find("/", end + 1)]
    return folder


def timings() -> Timings[tuple[str, str]]:
    """By (operation, folder)."""
    return Timings(
        "etcd_request_duration_seconds",
        "How long etcd took to answer, by operation and resource.",
        labels=("operation", "group", "resource", "type"),
        bounds=BUCKETS,
        show=_labels,
    )


def _labels(key: tuple[str, str]) -> tuple[str, str, str, str]:
    operation, folder = key
    group, _, plural = folder.rpartition("/")
    return operation, group, plural, folder
