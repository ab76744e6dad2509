"""Priority and fairness: which requests run at once, which wait their turn, which are turned away.

    request ──FlowSchema──▶ Flow (level, hand of queues) ──free seat──▶ runs
                                                         └─queue─────▶ waits, fair among flows ──▶ runs or 429

A request that finds a free seat pays for a lookup and a counter; nothing waits on its way.
"""

from __future__ import annotations

from apiserver.flowcontrol.inflight import InFlight
from apiserver.flowcontrol.turns import Turns

__all__ = ["InFlight", "Turns"]
