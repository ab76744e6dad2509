"""CSR approval: kubelets get their client certificates when RBAC lets them ask for themselves (or a bootstrapper for a node)."""

from __future__ import annotations

from typing import Any

from controller import certificates
from controller.context import Context, Controller, Run
from controller.reconciler import Reconciler
from pocketkube.api.meta import errors
from pocketkube.api.meta.times import rfc3339
from pocketkube.client.resources import CERTIFICATESIGNINGREQUESTS, SUBJECTACCESSREVIEWS

Obj = dict[str, Any]

# (subresource that RBAC is asked about, message of the approval); the first may only renew its own identity
_SELF = ("selfnodeclient", "Auto approving self kubelet client certificate after SubjectAccessReview.")
_ANY = ("nodeclient", "Auto approving kubelet client certificate after SubjectAccessReview.")


def recognized(csr: Obj) -> list[tuple[str, str]]:
    """Under which permissions the request may be approved, in order; [] leaves it to a person."""
    if csr["spec"].get("signerName") != certificates.KUBELET_CLIENT or not csr["spec"].get("username"):
        return []
    if certificates.has_condition(csr, "Approved") or certificates.has_condition(csr, "Denied"):
        return []
    try:
        request = certificates.parse(csr)
    except ValueError:
        return []
    if certificates.refusal_as_kubelet_client(request, csr["spec"].get("usages") or ()):
        return []
    own = certificates.subject(request)[0] == csr["spec"].get("username")
    return [_SELF, _ANY] if own else [_ANY]


def start(context: Context) -> Run:
    requests = context.informer(CERTIFICATESIGNINGREQUESTS)

    async def may(csr: Obj, subresource: str) -> bool:
        spec = csr["spec"]
        asked = {"group": "certificates.k8s.io", "resource": "certificatesigningrequests", "verb": "create"}
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {
                "user": spec.get("username", ""),
                "uid": spec.get("uid", ""),
                "groups": spec.get("groups") or [],
                "extra": spec.get("extra") or {},
                "resourceAttributes": {**asked, "version": "*", "subresource": subresource},
            },
        }
        answer = await context.client.create(SUBJECTACCESSREVIEWS, review)
        return bool(answer["status"].get("allowed"))

    async def reconcile(name: str) -> None:
        csr = requests.store.get(name)
        for subresource, message in recognized(csr) if csr is not None else ():
            if csr is None or not await may(csr, subresource):
                continue
            final = certificates.approved(csr, message, rfc3339(context.clock.now()))
            try:
                await context.client.update(CERTIFICATESIGNINGREQUESTS, final, subresource="approval")
            except errors.NotFound:
                return
            return

    work = Reconciler("csr-approving", reconcile, clock=context.clock, workers=1)
    requests.add_handler(
        on_add=lambda new: work.add(new["metadata"]["name"]),
        on_update=lambda old, new: work.add(new["metadata"]["name"]),
    )
    return work.run((requests,))


CONTROLLER = Controller(
    "certificatesigningrequest-approving-controller", "certificate-controller", start, aliases=("csrapproving",)
)
