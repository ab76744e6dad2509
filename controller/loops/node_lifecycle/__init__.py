"""Node lifecycle: notices nodes that fell silent, tells it in their conditions, and taints them so that pods move away.

In reading order: `health` (conditions and NoSchedule taints of one node; pure), `zones` (how fast whole zones may be
emptied; pure), `loop`. The pods of a tainted node are deleted by `taint_eviction`.
"""

from __future__ import annotations

from controller.context import Controller
from controller.loops.node_lifecycle.loop import start

CONTROLLER = Controller("node-lifecycle-controller", "node-controller", start, aliases=("nodelifecycle",))
