"""CSR cleaner: deletes requests that nobody will look at again."""

from __future__ import annotations

import base64
from datetime import datetime
from typing import Any

from controller.context import Context, Controller, Run
from controller.reconciler import Reconciler
from pocketkube.api.meta import errors, times
from pocketkube.client.resources import CERTIFICATESIGNINGREQUESTS

Obj = dict[str, Any]

DECIDED_SECONDS = 3600.0  # approved (signed or not), denied or failed
PENDING_SECONDS = 24 * 3600.0


def expires_in(csr: Obj, now: datetime) -> float:
    """Seconds until the request may go: an hour after it was decided, a day if never, at once if its certificate ended."""
    status = csr.get("status") or {}
    decided = [
        c.get("lastUpdateTime") or csr["metadata"]["creationTimestamp"]
        for c in status.get("conditions") or ()
        if c["type"] in ("Approved", "Denied", "Failed")
    ]
    since, life = (
        (min(decided), DECIDED_SECONDS) if decided else (csr["metadata"]["creationTimestamp"], PENDING_SECONDS)
    )
    left = life - (now - times.parse(since)).total_seconds()
    if left > 0 and status.get("certificate"):
        left = min(left, _certificate_left(status["certificate"], now))
    return left


def _certificate_left(text: str, now: datetime) -> float:
    from cryptography import x509

    try:
        certificate = x509.load_pem_x509_certificate(base64.b64decode(text))
    except (ValueError, x509.InvalidVersion):
        return float("inf")
    return (certificate.not_valid_after_utc - now).total_seconds()


def start(context: Context) -> Run:
    requests = context.informer(CERTIFICATESIGNINGREQUESTS)

    async def reconcile(name: str) -> float | None:
        csr = requests.store.get(name)
        if csr is None:
            return None
        left = expires_in(csr, context.clock.now())
        if left > 0:
            return left
        try:
            await context.client.delete(CERTIFICATESIGNINGREQUESTS, name, uid=csr["metadata"]["uid"])
        except errors.NotFound:
            return None
        return None

    work = Reconciler("csr-cleaner", reconcile, clock=context.clock, workers=1)
    requests.add_handler(
        on_add=lambda new: work.add(new["metadata"]["name"]),
        on_update=lambda old, new: work.add(new["metadata"]["name"]),
    )
    return work.run((requests,))


CONTROLLER = Controller(
    "certificatesigningrequest-cleaner-controller", "certificate-controller", start, aliases=("csrcleaner",)
)
