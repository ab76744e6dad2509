"""A persistent volume: its size, its claim and where it is."""

from __future__ import annotations

from typing import Any

from kubectl.describing import podspec
from kubectl.describing.writing import Page, ago
from kubectl.session import Session

Obj = dict[str, Any]


SHORT = {"ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX", "ReadWriteOncePod": "RWOP"}


async def describe(session: Session, obj: Obj, page: Page) -> None:
    spec, status, meta = obj["spec"], obj.get("status") or {}, obj["metadata"]
    page.meta(obj)
    page.line("Finalizers:", f"[{' '.join(meta.get('finalizers') or ())}]")
    page.line("StorageClass:", spec.get("storageClassName", ""))
    if meta.get("deletionTimestamp"):
        page.line("Status:", f"Terminating (lasts {ago(meta['deletionTimestamp'])})")
    else:
        page.line("Status:", status.get("phase", ""))
    claim = spec.get("claimRef")
    page.line("Claim:", f"{claim['namespace']}/{claim['name']}" if claim else "")
    page.line("Reclaim Policy:", spec.get("persistentVolumeReclaimPolicy", ""))
    page.line("Access Modes:", ",".join(SHORT.get(m, m) for m in spec.get("accessModes") or ()))
    if spec.get("volumeMode"):
        page.line("VolumeMode:", spec["volumeMode"])
    page.line("Capacity:", (spec.get("capacity") or {}).get("storage", ""))
    _affinity(page, spec)
    page.line("Message:", status.get("message", ""))
    page.line("Source:")
    podspec.source(page, spec)


def _affinity(page: Page, spec: Obj) -> None:
    required = (spec.get("nodeAffinity") or {}).get("required")
    if not spec.get("nodeAffinity"):
        page.line("Node Affinity:", "<none>")
        return
    page.line("Node Affinity:", "")
    page.line("Required Terms:", "" if required else "<none>", level=1)
    for index, term in enumerate((required or {}).get("nodeSelectorTerms") or ()):
        rows = [_expression(e) for e in term.get("matchExpressions") or ()]
        page.line(f"Term {index}:", rows[0] if rows else "<none>", level=2)
        for row in rows[1:]:
            page.line("", row, level=2)


def _expression(e: Obj) -> str:
    text = f"{e['key']} {e['operator'].lower()}"
    return f"{text} [{', '.join(e['values'])}]" if e.get("values") else text


DESCRIBE = describe
