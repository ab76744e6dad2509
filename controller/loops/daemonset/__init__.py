"""DaemonSet: one pod on every node that it fits. `placement`, `plan` and `update` are pure, `loop` acts."""

from __future__ import annotations

from controller.context import Controller
from controller.loops.daemonset.loop import start

CONTROLLER = Controller(
    "daemonset-controller", "daemon-set-controller", start, aliases=("daemonset",), events="daemonset-controller"
)
