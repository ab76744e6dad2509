"""Marking nodes schedulable or not, and emptying them: what cordon, uncordon and drain share."""

from __future__ import annotations

from typing import Any

from kubectl.resolve import Target
from kubectl.session import Session

Obj = dict[str, Any]


async def mark(session: Session, target: Target, node: Obj, *, unschedulable: bool, dry_run: str = "none") -> None:
    """Cordon or uncordon one node, saying so."""
    word = "cordoned" if unschedulable else "uncordoned"
    if bool(node["spec"].get("unschedulable")) == unschedulable:
        session.say(f"node/{target.name} already {word}")
        return
    if dry_run == "client":
        session.say(f"node/{target.name} {word} (dry run)")
        return
    patch = {"spec": {"unschedulable": True if unschedulable else None}}
    await session.client.patch(target.resource, target.name, patch, type="strategic", fieldManager="kubectl-cordon")
    session.say(f"node/{target.name} {word}")
