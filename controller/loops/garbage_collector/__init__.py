"""Garbage collector: deletes objects whose owners are gone, and carries out foreground deletion and orphaning.

In reading order: `graph` (who owns whom, from every resource's metadata; pure), `plan` (what becomes of one object; pure),
`monitors` (metadata-only watches of all resources, CRDs included), `loop` (checks live, then writes).
"""

from __future__ import annotations

from controller.context import Controller
from controller.loops.garbage_collector.loop import start

CONTROLLER = Controller(
    "garbage-collector-controller", "generic-garbage-collector", start, aliases=("garbagecollector",)
)
