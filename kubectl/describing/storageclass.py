"""A storage class: who makes its volumes, and how."""

from __future__ import annotations

from typing import Any

from kubectl.describing.writing import Page
from kubectl.session import Session

Obj = dict[str, Any]


async def describe(session: Session, obj: Obj, page: Page) -> None:
    annotations = obj["metadata"].get("annotations") or {}
    page.name(obj)
    page.line(
        "IsDefaultClass:", "Yes" if annotations.get("storageclass.kubernetes.io/is-default-class") == "true" else "No"
    )
    page.line("Annotations:", _pairs(annotations))
    page.line("Provisioner:", obj["provisioner"])
    page.line("Parameters:", _pairs(obj.get("parameters") or {}))
    expands = obj.get("allowVolumeExpansion")
    page.line("AllowVolumeExpansion:", "<unset>" if expands is None else str(expands))
    options = obj.get("mountOptions") or []
    page.line("MountOptions:", *([] if options else ["<none>"]))
    for option in options:
        page.line(option, level=1)
    page.line("ReclaimPolicy:", obj.get("reclaimPolicy", ""))
    page.line("VolumeBindingMode:", obj.get("volumeBindingMode", ""))


def _pairs(values: dict[str, str]) -> str:
    return ",".join(f"{k}={v}" for k, v in sorted(values.items())) or "<none>"


DESCRIBE = describe
