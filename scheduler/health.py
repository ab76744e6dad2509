"""What the scheduler's own small server answers: /healthz, /livez, /readyz for anyone, /metrics for whom the API server allows it."""

from __future__ import annotations

from collections.abc import Callable

from pocketkube.base.health import OK, Answer, Health, ok, shown_metrics
from pocketkube.client.rest import Client
from pocketkube.client.reviews import PathReviews


def health(client: Client, *, ready: Callable[[], bool], measure: Callable[[], None]) -> Health:
    """`ready()` tells whether the caches are filled; `measure()` is called before metrics are shown."""

    def readiness() -> Answer:
        return OK if ready() else Answer(500, b"informers not synced")

    def measured() -> Answer:
        measure()
        return shown_metrics()

    return Health(
        open={"/healthz": ok, "/livez": ok, "/readyz": readiness},
        closed={"/metrics": measured},
        verdict=PathReviews(client).verdict,
    )
