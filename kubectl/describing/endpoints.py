"""Endpoints: addresses and ports of each subset."""

from __future__ import annotations

from typing import Any

from kubectl.describing.writing import Page
from kubectl.session import Session

Obj = dict[str, Any]


async def describe(session: Session, obj: Obj, page: Page) -> None:
    page.meta(obj)
    page.line("Subsets:")
    for subset in obj.get("subsets") or ():
        for title, member in (("Addresses:", "addresses"), ("NotReadyAddresses:", "notReadyAddresses")):
            page.line(title, ",".join(a["ip"] for a in subset.get(member) or ()) or "<none>", level=1)
        if subset.get("ports"):
            page.line("Ports:", level=1)
            rows = [(p.get("name") or "<unset>", p["port"], p.get("protocol", "TCP")) for p in subset["ports"]]
            page.table(("Name", "Port", "Protocol"), rows, level=2)
        page.line("")


DESCRIBE = describe
