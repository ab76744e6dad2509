"""A service: its addresses, ports and the endpoints behind them."""

from __future__ import annotations

from typing import Any

from kubectl.describing.writing import Page
from kubectl.session import Session
from pocketkube.client.resources import ENDPOINTSLICES

Obj = dict[str, Any]


async def describe(session: Session, obj: Obj, page: Page) -> None:
    spec, meta = obj["spec"], obj["metadata"]
    page.line("Selector:", ",".join(f"{k}={v}" for k, v in sorted((spec.get("selector") or {}).items())) or "<none>")
    page.line("Type:", spec.get("type", ""))
    for title, member in (
        ("IP Family Policy:", "ipFamilyPolicy"),
        ("IP Families:", "ipFamilies"),
        ("IP:", "clusterIP"),
        ("IPs:", "clusterIPs"),
    ):
        value = spec.get(member)
        page.line(title, ",".join(value) if isinstance(value, list) else value or "<none>")
    for title, member in (("External IPs:", "externalIPs"), ("External Name:", "externalName")):
        if spec.get(member):
            page.line(title, ",".join(spec[member]) if isinstance(spec[member], list) else spec[member])
    slices = await session.client.items(
        ENDPOINTSLICES, meta["namespace"], labelSelector=f"kubernetes.io/service-name={meta['name']}"
    )
    for port in spec.get("ports") or ():
        name = port.get("name") or "<unset>"
        page.line("Port:", name, f"{port['port']}/{port.get('protocol', 'TCP')}")
        page.line("TargetPort:", f"{port.get('targetPort')}/{port.get('protocol', 'TCP')}")
        if port.get("nodePort"):
            page.line("NodePort:", name, f"{port['nodePort']}/{port.get('protocol', 'TCP')}")
        page.line("Endpoints:", endpoints(slices, port.get("name") or ""))
    page.line("Session Affinity:", spec.get("sessionAffinity", "None"))
    for title, member in (
        ("External Traffic Policy:", "externalTrafficPolicy"),
        ("Internal Traffic Policy:", "internalTrafficPolicy"),
    ):
        if spec.get(member):
            page.line(title, spec[member])


def endpoints(slices: list[Obj], port_name: str) -> str:
    """Ready addresses of one port; the first three of many."""
    found = sorted(
        f"{address}:{port['port']}"
        for item in slices
        for port in item.get("ports") or ()
        if (port.get("name") or "") == port_name
        for endpoint in item.get("endpoints") or ()
        if (endpoint.get("conditions") or {}).get("ready") is not False
        for address in endpoint.get("addresses") or ()
    )
    more = f" + {len(found) - 3} more..." if len(found) > 3 else ""
    return ",".join(found[:3]) + more


DESCRIBE = describe
