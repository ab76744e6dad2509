"""A job: how far it is, and its template."""

from __future__ import annotations

from typing import Any

from kubectl.describing import podspec
from kubectl.describing.writing import Page, plain, when
from kubectl.session import Session
from pocketkube.api.meta import objects as metas
from pocketkube.api.meta import selectors, times

Obj = dict[str, Any]


async def describe(session: Session, obj: Obj, page: Page) -> None:
    spec, status = obj["spec"], obj.get("status") or {}
    page.name(obj)
    page.line("Selector:", selectors.format_label_selector(spec.get("selector")))
    page.labels(obj)
    owner = metas.controller_of(obj)
    if owner:
        page.line("Controlled By:", f"{owner['kind']}/{owner['name']}")
    page.line("Parallelism:", spec.get("parallelism", "<unset>"))
    page.line("Completions:", spec.get("completions", "<unset>"))
    page.line("Completion Mode:", spec.get("completionMode", "NonIndexed"))
    page.line("Suspend:", plain(spec.get("suspend", False)))
    page.line("Backoff Limit:", spec.get("backoffLimit", 6))
    if spec.get("ttlSecondsAfterFinished") is not None:
        page.line("TTL Seconds After Finished:", spec["ttlSecondsAfterFinished"])
    if status.get("startTime"):
        page.line("Start Time:", when(status["startTime"]))
    if status.get("completionTime"):
        page.line("Completed At:", when(status["completionTime"]))
        page.line("Duration:", times.age(times.parse(status["completionTime"]) - times.parse(status["startTime"])))
    if spec.get("activeDeadlineSeconds"):
        page.line("Active Deadline Seconds:", f"{spec['activeDeadlineSeconds']}s")
    counts = [status.get("active", 0), status.get("ready", 0), status.get("succeeded", 0), status.get("failed", 0)]
    page.line("Pods Statuses:", "{} Active ({} Ready) / {} Succeeded / {} Failed".format(*counts))
    if spec.get("completionMode") == "Indexed":
        page.line("Completed Indexes:", status.get("completedIndexes") or "<none>")
    podspec.template(page, spec["template"])


DESCRIBE = describe
