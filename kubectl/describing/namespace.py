"""A namespace: its state, its quotas and limits."""

from __future__ import annotations

from typing import Any

from kubectl.describing import limitrange, resourcequota
from kubectl.describing.writing import Page, when
from kubectl.session import Session
from pocketkube.client.resources import Resource

Obj = dict[str, Any]


QUOTAS = Resource("", "v1", "resourcequotas", "ResourceQuota", True)
RANGES = Resource("", "v1", "limitranges", "LimitRange", True)


async def describe(session: Session, obj: Obj, page: Page) -> None:
    name, status = obj["metadata"]["name"], obj.get("status") or {}
    page.meta(obj)
    page.line("Status:", status.get("phase", ""))
    if status.get("conditions"):
        page.line("Conditions:")
        rows = [
            (c["type"], c["status"], when(c.get("lastTransitionTime")), c.get("reason", ""), c.get("message", ""))
            for c in status["conditions"]
        ]
        page.table(("Type", "Status", "LastTransitionTime", "Reason", "Message"), rows)
    _quotas(page, await session.client.items(QUOTAS, name))
    _ranges(page, await session.client.items(RANGES, name))


def _quotas(page: Page, quotas: list[Obj]) -> None:
    page.line("")
    if not quotas:
        page.line("No resource quota.")
        return
    page.line("Resource Quotas")
    for quota in sorted(quotas, key=lambda q: str(q["metadata"]["name"])):
        page.line("Name:", quota["metadata"]["name"], level=1)
        scopes = sorted(quota["spec"].get("scopes") or ())
        if scopes:
            page.line("Scopes:", ", ".join(scopes), level=1)
            for scope in scopes:
                if scope in resourcequota.SCOPES:
                    page.line(f"* {resourcequota.SCOPES[scope]}", level=1)
        page.line("Resource", "Used", "Hard", level=1)
        page.line("--------", "---", "---", level=1)
        for row in resourcequota.rows(quota):
            page.line(*row, level=1)


def _ranges(page: Page, ranges: list[Obj]) -> None:
    page.line("")
    if not ranges:
        page.line("No LimitRange resource.")
        return
    page.line("Resource Limits")
    page.line(f" {limitrange.HEAD[0]}", *limitrange.HEAD[1:])
    page.line(" " + "-" * len(limitrange.HEAD[0]), *("-" * len(h) for h in limitrange.HEAD[1:]))
    for found in ranges:
        for row in limitrange.rows(found):
            page.line(f" {row[0]}", *row[1:])


EVENTS = False  # none are looked for
DESCRIBE = describe
