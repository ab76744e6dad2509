"""A daemon set: on how many nodes it is and should be, and its template."""

from __future__ import annotations

from typing import Any

from kubectl.describing import owning, podspec
from kubectl.describing.writing import Page
from kubectl.session import Session
from pocketkube.api.meta import selectors

Obj = dict[str, Any]


NUMBERS = (
    ("Desired Number of Nodes Scheduled", "desiredNumberScheduled"),
    ("Current Number of Nodes Scheduled", "currentNumberScheduled"),
    ("Number of Nodes Scheduled with Up-to-date Pods", "updatedNumberScheduled"),
    ("Number of Nodes Scheduled with Available Pods", "numberAvailable"),
    ("Number of Nodes Misscheduled", "numberMisscheduled"),
)


async def describe(session: Session, obj: Obj, page: Page) -> None:
    spec, status = obj["spec"], obj.get("status") or {}
    text = selectors.format_label_selector(spec.get("selector"))
    page.name(obj)
    page.line("Selector:", text)
    page.pairs("Node-Selector:", spec["template"]["spec"].get("nodeSelector"))
    page.labels(obj)
    for title, member in NUMBERS:
        page.line(f"{title}: {status.get(member, 0)}")
    await owning.pods_status(session, obj, page, selector=text)
    podspec.template(page, spec["template"])


DESCRIBE = describe
