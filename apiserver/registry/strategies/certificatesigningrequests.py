"""CertificateSigningRequests: `approval` writes conditions, and nothing but status is written through it."""

from __future__ import annotations

from typing import Any

from apiserver.registry import narrowing
from apiserver.registry.strategy import Strategy

Obj = dict[str, Any]


class CertificateSigningRequests(Strategy):
    group, plural = "certificates.k8s.io", "certificatesigningrequests"

    def narrow(self, subresource: str, new: Obj, old: Obj) -> None:
        if subresource != "approval":
            super().narrow(subresource, new, old)
            return
        narrowing.only_status(new, old)
        new["status"] = {**(old.get("status") or {}), "conditions": (new.get("status") or {}).get("conditions") or []}


STRATEGY = CertificateSigningRequests
