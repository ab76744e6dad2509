"""What the kinds that own pods have in common: how their pods are."""

from __future__ import annotations

from collections import Counter
from typing import Any

from kubectl.describing.writing import Page
from kubectl.session import Session
from pocketkube.api.meta import objects as metas
from pocketkube.client.resources import PODS

Obj = dict[str, Any]

WORDS = {"Running": "Running", "Pending": "Waiting", "Succeeded": "Succeeded", "Failed": "Failed"}


async def pods_status(session: Session, owner: Obj, page: Page, *, selector: str) -> None:
    """`2 Running / 0 Waiting / ...` of the pods that are its own."""
    listed = await session.client.items(PODS, owner["metadata"]["namespace"], labelSelector=selector)
    phases = Counter((p.get("status") or {}).get("phase") for p in listed if metas.is_controlled_by(p, owner))
    page.line("Pods Status:", " / ".join(f"{phases.get(phase, 0)} {word}" for phase, word in WORDS.items()))
