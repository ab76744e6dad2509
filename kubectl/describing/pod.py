"""A pod: where it runs, each container with its state, volumes, conditions."""

from __future__ import annotations

from typing import Any

from kubectl.describing import podspec
from kubectl.describing.writing import Page, when
from kubectl.session import Session
from pocketkube.api.meta import objects as metas

Obj = dict[str, Any]


async def describe(session: Session, pod: Obj, page: Page) -> None:
    spec, status = pod["spec"], pod.get("status") or {}
    _where(page, pod)
    if spec.get("initContainers"):
        podspec.containers(page, "Init Containers:", spec["initContainers"], status.get("initContainerStatuses") or [])
    podspec.containers(page, "Containers:", spec["containers"], status.get("containerStatuses") or [])
    if status.get("conditions"):
        page.line("Conditions:")
        page.line("Type", "Status", level=1)
        for c in status["conditions"]:
            page.line(c["type"], c["status"], level=1)
    podspec.volumes(page, spec)
    if status.get("qosClass"):
        page.line("QoS Class:", status["qosClass"])
    selector = ",".join(f"{k}={v}" for k, v in sorted((spec.get("nodeSelector") or {}).items()))
    page.line("Node-Selectors:", selector or "<none>")
    podspec.tolerations(page, spec)


def _where(page: Page, pod: Obj) -> None:
    spec, status, meta = pod["spec"], pod.get("status") or {}, pod["metadata"]
    page.line("Priority:", spec.get("priority", 0))
    if spec.get("priorityClassName"):
        page.line("Priority Class Name:", spec["priorityClassName"])
    if spec.get("serviceAccountName"):
        page.line("Service Account:", spec["serviceAccountName"])
    page.line("Node:", f"{spec['nodeName']}/{status.get('hostIP', '')}" if spec.get("nodeName") else "<none>")
    if status.get("startTime"):
        page.line("Start Time:", when(status["startTime"]))
    if meta.get("deletionTimestamp"):
        page.line("Status:", "Terminating")
        page.line("Termination Grace Period:", f"{meta.get('deletionGracePeriodSeconds', 0)}s")
    else:
        page.line("Status:", status.get("phase", ""))
    for title, value in (("Reason:", status.get("reason")), ("Message:", status.get("message"))):
        if value:
            page.line(title, value)
    page.line("IP:", status.get("podIP", ""))
    ips = status.get("podIPs") or []
    page.line("IPs:", *([] if ips else ["<none>"]))
    for ip in ips:
        page.line("IP:", ip["ip"], level=1)
    owner = metas.controller_of(pod)
    if owner:
        page.line("Controlled By:", f"{owner['kind']}/{owner['name']}")


DESCRIBE = describe
