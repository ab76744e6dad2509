"""A quota: how much of each resource is used."""

from __future__ import annotations

from typing import Any

from kubectl.describing.writing import Page
from kubectl.session import Session
from pocketkube.api.meta import quantity

Obj = dict[str, Any]


SCOPES = {
    "Terminating": "Matches all pods that have an active deadline. These pods have a limited lifespan on a node before being "
    "actively terminated by the system.",
    "NotTerminating": "Matches all pods that do not have an active deadline. These pods usually include long running pods whose "
    "container command is not expected to terminate.",
    "BestEffort": "Matches all pods that do not have resource requirements set. These pods have a best effort quality of service.",
    "NotBestEffort": "Matches all pods that have at least one resource requirement set. These pods have a burstable or guaranteed "
    "quality of service.",
}


async def describe(session: Session, obj: Obj, page: Page) -> None:
    page.name(obj)
    scopes = sorted(obj["spec"].get("scopes") or ())
    if scopes:
        page.line("Scopes:", ", ".join(scopes))
        for scope in scopes:
            if scope in SCOPES:
                page.line(f" * {SCOPES[scope]}")
    page.line("Resource", "Used", "Hard")
    page.line("--------", "----", "----")
    for name, used, hard in rows(obj):
        page.line(name, used, hard)


def rows(quota: Obj) -> list[tuple[str, str, str]]:
    """(resource, used, hard), both in one notation."""
    status = quota.get("status") or {}
    hard = status.get("hard") or {}
    return [(name, _text((status.get("used") or {}).get(name, "0")), _text(hard[name])) for name in sorted(hard)]


def _text(amount: object) -> str:
    return quantity.canonical(str(amount))


EVENTS = False  # none are looked for
DESCRIBE = describe
