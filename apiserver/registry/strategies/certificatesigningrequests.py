"""CertificateSigningRequests: `approval` writes conditions, and nothing but status is written through it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from apiserver.registry import narrowing
from apiserver.registry.strategy import Strategy
from pocketkube.api.kinds.certificates.certificatesigningrequest import prepare_approval, validate_approval
from pocketkube.api.meta.field import FieldError

if TYPE_CHECKING:
    from apiserver.registry.writer import Writer

Obj = dict[str, Any]


class CertificateSigningRequests(Strategy):
    group, plural = "certificates.k8s.io", "certificatesigningrequests"

    def narrow(self, subresource: str, new: Obj, old: Obj) -> None:
        if subresource != "approval":
            super().narrow(subresource, new, old)
            return
        narrowing.only_status(new, old)
        new["status"] = {**(old.get("status") or {}), "conditions": (new.get("status") or {}).get("conditions") or []}
        prepare_approval(new, old)

    def validate(self, subresource: str, new: Obj, old: Obj) -> list[FieldError]:
        return validate_approval(new, old) if subresource == "approval" else []

    async def creating(self, writer: Writer, obj: Obj) -> None:
        """Who asks is what the server saw, never what the request says."""
        user = writer.user
        asked = {k: v for k, v in obj["spec"].items() if k not in ("username", "uid", "groups", "extra")}
        seen = {"username": user.name, "uid": user.uid, "groups": list(user.groups)}
        extra = {key: list(values) for key, values in user.extra.items()}
        obj["spec"] = {**asked, **{k: v for k, v in seen.items() if v}, **({"extra": extra} if extra else {})}

    async def updating(self, writer: Writer, obj: Obj, old: Obj) -> None:
        """A request stays as it was asked."""
        obj["spec"] = old["spec"]


STRATEGY = CertificateSigningRequests
