"""An ingress: its hosts and paths, and the services behind them."""

from __future__ import annotations

from typing import Any

from kubectl.describing.service import endpoints
from kubectl.describing.writing import Page
from kubectl.session import Session
from pocketkube.api.meta.errors import StatusError
from pocketkube.client.resources import ENDPOINTSLICES, SERVICES

Obj = dict[str, Any]


async def describe(session: Session, obj: Obj, page: Page) -> None:
    spec, meta = obj["spec"], obj["metadata"]
    page.line("Name:", meta["name"])
    page.pairs("Labels:", meta.get("labels"))
    page.line("Namespace:", meta["namespace"])
    balanced = ((obj.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
    page.line("Address:", ",".join(i.get("ip") or i.get("hostname") or "" for i in balanced))
    page.line("Ingress Class:", spec.get("ingressClassName") or "<none>")
    default = spec.get("defaultBackend")
    page.line("Default backend:", await _backend(session, meta["namespace"], default) if default else "<default>")
    if spec.get("tls"):
        page.line("TLS:")
        for tls in spec["tls"]:
            secret = tls.get("secretName")
            hosts = ",".join(tls.get("hosts") or ())
            page.line(f"{secret} terminates {hosts}" if secret else f"SNI routes {hosts}", level=1)
    page.line("Rules:")
    page.table(("Host", "Path", "Backends"), [])
    await _rules(session, obj, page)
    page.annotations(obj)


async def _rules(session: Session, obj: Obj, page: Page) -> None:
    rules = [r for r in obj["spec"].get("rules") or () if r.get("http")]
    for rule in rules:
        page.line(rule.get("host") or "*", "", level=1)
        for path in rule["http"]["paths"]:
            backend = await _backend(session, obj["metadata"]["namespace"], path["backend"])
            page.line("  ", f"{path.get('path', '')} ", backend)
    if not rules:
        default = obj["spec"].get("defaultBackend")
        shown = await _backend(session, obj["metadata"]["namespace"], default) if default else "<default>"
        page.line("*", "*", shown, level=1)


async def _backend(session: Session, namespace: str, backend: Obj) -> str:
    """`web:80 (10.244.0.5:8080)`, or what is wrong with it."""
    resource = backend.get("resource")
    if resource:
        return f"APIGroup: {resource.get('apiGroup') or '<none>'}, Kind: {resource['kind']}, Name: {resource['name']}"
    about = backend["service"]
    port = about.get("port") or {}
    said = f"{about['name']}:{port.get('name') or port.get('number', '')}"
    try:
        service = await session.client.get(SERVICES, about["name"], namespace)
    except StatusError as error:
        return f"{said} (<error: {error.message}>)"
    names = [
        p.get("name") or ""
        for p in service["spec"].get("ports") or ()
        if p["port"] == port.get("number") or (port.get("name") and p.get("name") == port["name"])
    ]
    slices = await session.client.items(
        ENDPOINTSLICES, namespace, labelSelector=f"kubernetes.io/service-name={about['name']}"
    )
    return f"{said} ({endpoints(slices, names[0]) if names else ''})"


DESCRIBE = describe
