"""HorizontalPodAutoscaler: scales a workload by what its pods use.

In reading order: `usage` (from pod metrics to a proposal; pure), `behavior` (how fast a proposal may be followed; pure),
`loop` (reads metrics.k8s.io and the scale subresource every 15 s, writes scale and status).
"""

from __future__ import annotations

from controller.context import Controller
from controller.loops.horizontalpodautoscaler.loop import start

CONTROLLER = Controller(
    "horizontal-pod-autoscaler-controller",
    "horizontal-pod-autoscaler",
    start,
    aliases=("horizontalpodautoscaling",),
)
