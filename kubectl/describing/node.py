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
    page.line("Name:", meta["name"])
    page.line("Roles:", _roles(meta.get("labels") or {}))
    page.labels(node)
    page.created(node)
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
        [
            f"{cell} "
            for cell in (c["type"], c["status"], when(c.get("lastHeartbeatTime")), when(c.get("lastTransitionTime")))
        ]
        + [f"{c.get('reason', '')} ", c.get("message", "")]
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


ROLE = "node-role.kubernetes.io/"


def _roles(labels: dict[str, str]) -> str:
    found = {k.removeprefix(ROLE) for k in labels if k.startswith(ROLE)} | {labels.get("kubernetes.io/role", "")}
    return ",".join(sorted(found - {""})) or "<none>"


TITLES = ("CPU Requests", "CPU Limits", "Memory Requests", "Memory Limits")
COLUMNS = (("requests", "cpu"), ("limits", "cpu"), ("requests", "memory"), ("limits", "memory"))


async def _pods(session: Session, node: Obj, page: Page) -> None:
    fields = f"spec.nodeName={node['metadata']['name']},status.phase!=Succeeded,status.phase!=Failed"
    pods = await session.client.items(PODS, fieldSelector=fields)
    pods.sort(key=lambda p: (p["metadata"]["namespace"], p["metadata"]["name"]))
    page.line("Non-terminated Pods:", f"({len(pods)} in total)")
    have = (node.get("status") or {}).get("allocatable") or {}
    page.line("Namespace", "Name", "", *TITLES, "Age", level=1)
    page.line("---------", "----", "", *("-" * len(t) for t in TITLES), "---", level=1)
    sums: dict[tuple[str, str], int] = {}
    for pod in pods:
        amounts = podspec.amounts(pod)
        for key, amount in amounts.items():
            sums[key] = sums.get(key, 0) + amount
        meta = pod["metadata"]
        cells = [_share(key[1], amounts.get(key, 0), have) for key in COLUMNS]
        page.line(meta["namespace"], meta["name"], "", *cells, ago(meta.get("creationTimestamp")), level=1)
    page.line("Allocated resources:")
    page.line("(Total limits may be over 100 percent, i.e., overcommitted.)", level=1)
    # what a node has beside the usual and more of than any pod asks for is named too
    extended = sorted(n for n in have if n not in USUAL and n != "pods")
    rows = [
        (name, *(_share(name, sums.get((kind, name), 0), have) for kind in ("requests", "limits")))
        for name in ("cpu", "memory", "ephemeral-storage", *(n for n in extended if n.startswith("hugepages-")))
    ]
    rows += [
        (name, *(str(sums.get((kind, name), 0)) for kind in ("requests", "limits")))
        for name in extended
        if not name.startswith("hugepages-")
    ]
    page.table(("Resource", "Requests", "Limits"), rows)


USUAL = ("cpu", "memory", "ephemeral-storage")


def _share(name: str, amount: int, have: Obj) -> str:
    """`250m (12%)`, `64Mi (0%)`."""
    if name == "cpu":
        whole = quantity.milli(str(have.get("cpu", "0")))
        text = f"{amount}m" if amount % 1000 else str(amount // 1000)
    else:
        whole = quantity.value(str(have.get(name, "0")))
        power = next((p for p in (40, 30, 20, 10) if amount and not amount % (1 << p)), 0)
        text = f"{amount >> power}{ {0: '', 10: 'Ki', 20: 'Mi', 30: 'Gi', 40: 'Ti'}[power] }"
    return f"{text} ({amount * 100 // whole if whole else 0}%)"


DESCRIBE = describe
