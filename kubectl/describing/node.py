"""A node: its condition, what it has, and which pods take how much of it."""

from __future__ import annotations

from typing import Any

from kubectl.describing import podspec
from kubectl.describing.writing import Page, ago, when
from kubectl.session import Session
from pocketkube.api.meta import quantity
from pocketkube.api.meta.errors import NotFound
from pocketkube.client.resources import LEASES, PODS

Obj = dict[str, Any]


async def describe(session: Session, node: Obj, page: Page) -> None:
    spec, status, meta = node["spec"], node.get("status") or {}, node["metadata"]
    page.line("CreationTimestamp:", when(meta.get("creationTimestamp")))
    taints = [
        f"{t['key']}{'=' + t['value'] if t.get('value') else ''}:{t['effect']}" for t in spec.get("taints") or ()
    ] or ["<none>"]
    page.line("Taints:", taints[0])
    for taint in taints[1:]:
        page.line("", taint)
    page.line("Unschedulable:", str(spec.get("unschedulable", False)).lower())
    await _lease(session, meta["name"], page)
    page.line("Conditions:")
    rows = [
        (
            c["type"],
            c["status"],
            when(c.get("lastHeartbeatTime")),
            when(c.get("lastTransitionTime")),
            c.get("reason", ""),
            c.get("message", ""),
        )
        for c in status.get("conditions") or ()
    ]
    page.table(("Type", "Status", "LastHeartbeatTime", "LastTransitionTime", "Reason", "Message"), rows)
    page.line("Addresses:")
    for address in status.get("addresses") or ():
        page.line(f"{address['type']}:", address["address"], level=1)
    for title in ("capacity", "allocatable"):
        page.line(f"{title.capitalize()}:")
        for name, amount in sorted((status.get(title) or {}).items()):
            page.line(f"{name}:", amount, level=1)
    page.line("System Info:")
    for title, member in INFO:
        page.line(f"{title}:", (status.get("nodeInfo") or {}).get(member, ""), level=1)
    for title, member in (("PodCIDR:", "podCIDR"), ("PodCIDRs:", "podCIDRs"), ("ProviderID:", "providerID")):
        if spec.get(member):
            page.line(title, ",".join(spec[member]) if isinstance(spec[member], list) else spec[member])
    await _pods(session, node, page)


INFO = (
    ("Machine ID", "machineID"), ("System UUID", "systemUUID"), ("Boot ID", "bootID"), ("Kernel Version", "kernelVersion"),
    ("OS Image", "osImage"), ("Operating System", "operatingSystem"), ("Architecture", "architecture"),
    ("Container Runtime Version", "containerRuntimeVersion"), ("Kubelet Version", "kubeletVersion"),
)  # fmt: skip


async def _lease(session: Session, name: str, page: Page) -> None:
    try:
        lease = await session.client.get(LEASES, name, "kube-node-lease")
    except NotFound:
        page.line("Lease:", "Failed to get lease: not found")
        return
    page.line("Lease:")
    page.line("HolderIdentity:", lease["spec"].get("holderIdentity", "<unset>"), level=1)
    page.line("AcquireTime:", when(lease["spec"].get("acquireTime")), level=1)
    page.line("RenewTime:", when(lease["spec"].get("renewTime")), level=1)


async def _pods(session: Session, node: Obj, page: Page) -> None:
    fields = f"spec.nodeName={node['metadata']['name']},status.phase!=Succeeded,status.phase!=Failed"
    pods = await session.client.items(PODS, fieldSelector=fields)
    page.line("Non-terminated Pods:", f"({len(pods)} in total)")
    have = (node.get("status") or {}).get("allocatable") or {}
    cpu, memory = quantity.milli(str(have.get("cpu", "0"))) or 1, quantity.value(str(have.get("memory", "0"))) or 1
    sums = [0, 0, 0, 0]
    rows = []
    for pod in pods:
        amounts = next(iter(podspec.amounts(pod).values()))
        sums = [a + b for a, b in zip(sums, amounts, strict=True)]
        meta = pod["metadata"]
        cells = [
            _share(amounts[0], cpu, "m"),
            _share(amounts[1], cpu, "m"),
            _share(amounts[2], memory),
            _share(amounts[3], memory),
        ]
        rows.append((meta["namespace"], meta["name"], *cells, ago(meta.get("creationTimestamp"))))
    page.table(("Namespace", "Name", "CPU Requests", "CPU Limits", "Memory Requests", "Memory Limits", "Age"), rows)
    page.line("Allocated resources:")
    page.line("(Total limits may be over 100 percent, i.e., overcommitted.)", level=1)
    page.table(("Resource", "Requests", "Limits"), [
        ("cpu", _share(sums[0], cpu, "m"), _share(sums[1], cpu, "m")),
        ("memory", _share(sums[2], memory), _share(sums[3], memory)),
    ])  # fmt: skip


def _share(amount: int, whole: int, unit: str = "") -> str:
    """`250m (12%)`, `64Mi (0%)`."""
    if unit:
        text = f"{amount}{unit}" if amount % 1000 or not amount else str(amount // 1000)
        text = "0" if not amount else text
    else:
        text = f"{amount >> 20}Mi" if amount and not amount % (1 << 20) else str(amount)
    return f"{text} ({amount * 100 // whole}%)"


DESCRIBE = describe
