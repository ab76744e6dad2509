"""A claim: what it asks for, what it got, and who uses it."""

from __future__ import annotations

from typing import Any

from kubectl.describing.writing import Page
from kubectl.session import Session
from pocketkube.client.resources import PODS

Obj = dict[str, Any]


SHORT = {"ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX", "ReadWriteOncePod": "RWOP"}


async def describe(session: Session, obj: Obj, page: Page) -> None:
    spec, status, meta = obj["spec"], obj.get("status") or {}, obj["metadata"]
    bound = bool(spec.get("volumeName"))
    page.name(obj)
    page.line("StorageClass:", spec.get("storageClassName") or "")
    lost = meta.get("deletionTimestamp")
    page.line("Status:", "Terminating" if lost else status.get("phase", ""))
    page.line("Volume:", spec.get("volumeName", ""))
    page.labels(obj)
    page.line("Finalizers:", f"[{' '.join(meta.get('finalizers') or ())}]")
    page.line("Capacity:", (status.get("capacity") or {}).get("storage", "") if bound else "")
    modes = ",".join(SHORT.get(m, m) for m in status.get("accessModes") or ())
    page.line("Access Modes:", modes if bound else "")
    page.line("VolumeMode:", spec.get("volumeMode") or "Filesystem")
    source = spec.get("dataSource")
    if source:
        page.line("DataSource:")
        if source.get("apiGroup"):
            page.line("APIGroup:", source["apiGroup"], level=1)
        page.line("Kind:", source["kind"], level=1)
        page.line("Name:", source["name"], level=1)
    users = [
        p["metadata"]["name"] for p in await session.client.items(PODS, meta["namespace"]) if _uses(p, meta["name"])
    ]
    page.line("Used By:", users[0] if users else "<none>")
    for user in users[1:]:
        page.line("", user)
    page.conditions(obj)


def _uses(pod: Obj, claim: str) -> bool:
    for volume in pod["spec"].get("volumes") or ():
        if (volume.get("persistentVolumeClaim") or {}).get("claimName") == claim:
            return True
        if "ephemeral" in volume and f"{pod['metadata']['name']}-{volume['name']}" == claim:
            return True
    return False


DESCRIBE = describe
