"""A slice: its ports and endpoints."""

from __future__ import annotations

from typing import Any

from kubectl.describing.writing import Page, plain
from kubectl.session import Session

Obj = dict[str, Any]


async def describe(session: Session, obj: Obj, page: Page) -> None:
    page.meta(obj)
    page.line("AddressType:", obj.get("addressType", ""))
    ports = obj.get("ports") or []
    page.line("Ports:", *([] if ports else ["<unset>"]))
    if ports:
        rows = [(p.get("name") or "<unset>", p.get("port", "<unset>"), p.get("protocol", "TCP")) for p in ports]
        page.table(("Name", "Port", "Protocol"), rows)
    endpoints = obj.get("endpoints") or []
    page.line("Endpoints:", *([] if endpoints else ["<none>"]))
    for endpoint in endpoints:
        _endpoint(page, endpoint)


def _endpoint(page: Page, endpoint: Obj) -> None:
    page.line("- Addresses:", ", ".join(endpoint.get("addresses") or ()), level=1)
    page.line("Conditions:", level=2)
    ready = (endpoint.get("conditions") or {}).get("ready")
    page.line("Ready:", "<unset>" if ready is None else plain(ready), level=3)
    page.line("Hostname:", endpoint.get("hostname") or "<unset>", level=2)
    target = endpoint.get("targetRef")
    if target:
        page.line("TargetRef:", f"{target['kind']}/{target['name']}", level=2)
    page.line("NodeName:", endpoint.get("nodeName") or "<unset>", level=2)
    page.line("Zone:", endpoint.get("zone") or "<unset>", level=2)


DESCRIBE = describe
