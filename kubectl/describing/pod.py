"""A pod: where it runs, each container with its state, volumes, conditions."""

from __future__ import annotations

from typing import Any

from kubectl.describing import podspec
from kubectl.describing.writing import Page, ago, when
from kubectl.session import Session
from pocketkube.api.meta import objects as metas

Obj = dict[str, Any]


async def describe(session: Session, pod: Obj, page: Page) -> None:
    spec, status = pod["spec"], pod.get("status") or {}
    _where(page, pod)
    for title, member, told in (
        ("Init Containers:", "initContainers", "initContainerStatuses"),
        ("Containers:", "containers", "containerStatuses"),
        ("Ephemeral Containers:", "ephemeralContainers", "ephemeralContainerStatuses"),
    ):
        if spec.get(member):
            podspec.containers(page, title, spec[member], status.get(told) or [], pod=pod)
    conditions = {c["type"]: c["status"] for c in status.get("conditions") or ()}
    if spec.get("readinessGates"):
        page.line("Readiness Gates:")
        page.line("Type", "Status", level=1)
        for gate in spec["readinessGates"]:
            page.line(f"{gate['conditionType']} ", f"{conditions.get(gate['conditionType'], '<none>')} ", level=1)
    if conditions:
        page.line("Conditions:")
        page.line("Type", "Status", level=1)
        for kind, value in conditions.items():
            page.line(f"{kind} ", f"{value} ", level=1)
    podspec.volumes(page, spec, in_pod=True)
    page.line("QoS Class:", status.get("qosClass", ""))
    page.pairs("Node-Selectors:", spec.get("nodeSelector"))
    podspec.tolerations(page, spec)
    podspec.spreading(page, spec)


def _where(page: Page, pod: Obj) -> None:
    spec, status, meta = pod["spec"], pod.get("status") or {}, pod["metadata"]
    page.name(pod)
    page.line("Priority:", spec.get("priority", 0))
    for title, member in (
        ("Priority Class Name:", "priorityClassName"),
        ("Runtime Class Name:", "runtimeClassName"),
        ("Service Account:", "serviceAccountName"),
    ):
        if spec.get(member):
            page.line(title, spec[member])
    page.line("Node:", f"{spec['nodeName']}/{status.get('hostIP', '')}" if spec.get("nodeName") else "<none>")
    if status.get("startTime"):
        page.line("Start Time:", when(status["startTime"]))
    page.labels(pod)
    if meta.get("deletionTimestamp"):
        page.line("Status:", f"Terminating (lasts {ago(meta['deletionTimestamp'])})")
        page.line("Termination Grace Period:", f"{meta.get('deletionGracePeriodSeconds', 0)}s")
    else:
        page.line("Status:", status.get("phase", ""))
    for member in ("reason", "message"):
        if status.get(member):
            page.line(f"{member.capitalize()}:", status[member])
    profile = (spec.get("securityContext") or {}).get("seccompProfile")
    if profile:
        page.line("SeccompProfile:", profile.get("type", ""))
    page.line("IP:", status.get("podIP", ""))
    ips = status.get("podIPs") or []
    page.line("IPs:", *([] if ips else ["<none>"]))
    for ip in ips:
        page.line("IP:", ip["ip"], level=1)
    owner = metas.controller_of(pod)
    if owner:
        page.line("Controlled By:", f"{owner['kind']}/{owner['name']}")


DESCRIBE = describe
