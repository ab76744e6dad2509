"""Deployment: replaces replica sets by newer ones within maxSurge and maxUnavailable.

In reading order: `replica_sets` (sizes, template hash, revisions), `rollout` (which sets shrink and grow), `status`,
`plan` (all of it as one pure function), `loop` (watches, claims, writes).
"""

from __future__ import annotations

from controller.context import Controller
from controller.loops.deployment.loop import start

CONTROLLER = Controller("deployment-controller", "deployment-controller", start, aliases=("deployment",))
