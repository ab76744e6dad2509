"""A service: its addresses, ports and the endpoints behind them."""

from __future__ import annotations

from typing import Any

from kubectl.describing.writing import Page
from kubectl.session import Session
from pocketkube.client.resources import ENDPOINTSLICES

Obj = dict[str, Any]


async def describe(session: Session, obj: Obj, page: Page) -> None:
    spec, meta = obj["spec"], obj["metadata"]
    page.meta(obj)
    page.line("Selector:", ",".join(f"{k}={v}" for k, v in sorted((spec.get("selector") or {}).items())) or "<none>")
    page.line("Type:", spec.get("type", ""))
    if spec.get("ipFamilyPolicy"):
        page.line("IP Family Policy:", spec["ipFamilyPolicy"])
    page.line("IP Families:", ",".join(spec.get("ipFamilies") or ()) or "<none>")
    page.line("IP:", spec.get("clusterIP", ""))
    page.line("IPs:", ",".join(spec.get("clusterIPs") or ()) or "<none>")
    for title, member in (
        ("External IPs:", "externalIPs"),
        ("Desired LoadBalancer IP:", "loadBalancerIP"),
        ("External Name:", "externalName"),
    ):
        if spec.get(member):
            page.line(title, ",".join(spec[member]) if isinstance(spec[member], list) else spec[member])
    ingress = ((obj.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
    if ingress:
        page.line("LoadBalancer Ingress:", ", ".join(_ingress(i) for i in ingress))
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
        ("Traffic Distribution:", "trafficDistribution"),
        ("HealthCheck NodePort:", "healthCheckNodePort"),
    ):
        if spec.get(member):
            page.line(title, spec[member])
    if spec.get("loadBalancerSourceRanges"):
        page.line("LoadBalancer Source Ranges:", ",".join(spec["loadBalancerSourceRanges"]))


def _ingress(item: Obj) -> str:
    address: str = item.get("ip") or item.get("hostname") or ""
    return f"{address} ({item['ipMode']})" if item.get("ipMode") else address


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
