"""A cron job: when it runs, and what it makes."""

from __future__ import annotations

from typing import Any

from kubectl.describing import podspec
from kubectl.describing.writing import Page, plain, when
from kubectl.session import Session
from pocketkube.api.meta import selectors

Obj = dict[str, Any]


async def describe(session: Session, obj: Obj, page: Page) -> None:
    spec, status = obj["spec"], obj.get("status") or {}
    page.meta(obj)
    page.line("Schedule:", spec["schedule"])
    page.line("Concurrency Policy:", spec.get("concurrencyPolicy", ""))
    page.line("Suspend:", str(spec.get("suspend", False)))
    page.line("Time Zone:", spec.get("timeZone") or "<unset>")
    page.line("Successful Job History Limit:", spec.get("successfulJobsHistoryLimit", "<unset>"))
    page.line("Failed Job History Limit:", spec.get("failedJobsHistoryLimit", "<unset>"))
    deadline = spec.get("startingDeadlineSeconds")
    page.line("Starting Deadline Seconds:", "<unset>" if deadline is None else f"{deadline}s")
    job = spec["jobTemplate"]["spec"]
    page.line("Selector:", selectors.format_label_selector(job["selector"]) if job.get("selector") else "<unset>")
    page.line("Parallelism:", plain(job.get("parallelism", "<unset>")))
    page.line("Completions:", plain(job.get("completions", "<unset>")))
    if job.get("activeDeadlineSeconds"):
        page.line("Active Deadline Seconds:", f"{job['activeDeadlineSeconds']}s")
    podspec.template(page, job["template"])
    page.line("Last Schedule Time:", when(status.get("lastScheduleTime")))
    active = ", ".join(ref["name"] for ref in status.get("active") or ())
    page.line("Active Jobs:", active or "<none>")


DESCRIBE = describe
