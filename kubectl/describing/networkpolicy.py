"""A network policy: whom it is for, and what it allows."""

from __future__ import annotations

from typing import Any

from kubectl.describing.writing import Page
from kubectl.session import Session
from pocketkube.api.meta import selectors, times

Obj = dict[str, Any]


async def describe(session: Session, obj: Obj, page: Page) -> None:
    spec = obj["spec"]
    page.name(obj)
    page.line("Created on:", f"{times.parse(obj['metadata']['creationTimestamp']):%Y-%m-%d %H:%M:%S} +0000 UTC")
    page.labels(obj)
    page.line("Spec:")
    chosen = spec.get("podSelector") or {}
    everyone = "<none> (Allowing the specific traffic to all pods in this namespace)"
    page.line(f"PodSelector:     {selectors.format_label_selector(chosen) if chosen else everyone}", level=1)
    types = spec.get("policyTypes") or []
    for kind, member, peers in (("Ingress", "from", "From"), ("Egress", "to", "To")):
        if kind in types:
            page.line(f"Allowing {kind.lower()} traffic:", level=1)
            _rules(page, spec.get(kind.lower()) or [], member=member, peers=peers, kind=kind.lower())
        else:
            page.line(f"Not affecting {kind.lower()} traffic", level=1)
    page.line(f"Policy Types: {', '.join(types)}", level=1)


def _rules(page: Page, rules: list[Obj], *, member: str, peers: str, kind: str) -> None:
    if not rules:
        page.line(f"<none> (Selected pods are isolated for {kind} connectivity)", level=2)
    for index, rule in enumerate(rules):
        for port in rule.get("ports") or ():
            page.line(_port(port), level=2)
        if not rule.get("ports"):
            page.line("To Port: <any> (traffic allowed to all ports)", level=2)
        if not rule.get(member):
            what = "source" if member == "from" else "destination"
            page.line(f"{peers}: <any> (traffic not restricted by {what})", level=2)
        for peer in rule.get(member) or ():
            page.line(f"{peers}:", level=2)
            _peer(page, peer)
        if index < len(rules) - 1:
            page.line("----------", level=2)


def _port(port: Obj) -> str:
    protocol = port.get("protocol", "TCP")
    if port.get("port") is None:
        return f"To Port: <any>/{protocol}"
    if port.get("endPort") is not None:
        return f"To Port Range: {port['port']}-{port['endPort']}/{protocol}"
    return f"To Port: {port['port']}/{protocol}"


def _peer(page: Page, peer: Obj) -> None:
    for title, member in (("NamespaceSelector", "namespaceSelector"), ("PodSelector", "podSelector")):
        if peer.get(member) is not None:
            text = selectors.format_label_selector(peer[member]) if peer[member] else "<none>"
            page.line(f"{title}: {text}", level=3)
    if peer.get("ipBlock"):
        page.line("IPBlock:", level=3)
        page.line(f"CIDR: {peer['ipBlock']['cidr']}", level=4)
        page.line(f"Except: {', '.join(peer['ipBlock'].get('except') or ())}", level=4)


EVENTS = False  # none are looked for
DESCRIBE = describe
