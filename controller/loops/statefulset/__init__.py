"""StatefulSet: pods with a name, storage and order of their own.

In reading order: `identity` (names, labels, claims of one pod; pure), `plan` (what happens next; pure), `claims` (when
volume claims go; pure), `loop`.
"""

from __future__ import annotations

from controller.context import Controller
from controller.loops.statefulset.loop import start

CONTROLLER = Controller("statefulset-controller", "statefulset-controller", start, aliases=("statefulset",))
