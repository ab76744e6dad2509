"""Kubelet serving certificates: a node gets one for its own name and addresses that no other node has. Off unless asked for:
upstream leaves these to a person, for a cluster in which nodes may claim any address is not for everyone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from controller import certificates
from controller.context import Context, Controller, Run
from controller.reconciler import Reconciler
from pocketkube.api.meta import errors
from pocketkube.api.meta.times import rfc3339
from pocketkube.client.resources import CERTIFICATESIGNINGREQUESTS, NODES

Obj = dict[str, Any]

NODE_USER = "system:node:"
MESSAGE = "The node asks for its own name and for addresses that no other node has."


def acceptable(csr: Obj, nodes: Iterable[Obj]) -> bool:
    """Whether to approve: the requester is the node that the certificate names."""
    from cryptography import x509

    spec = csr["spec"]
    username = spec.get("username") or ""
    if spec.get("signerName") != certificates.KUBELET_SERVING or not username.startswith(NODE_USER):
        return False
    if certificates.has_condition(csr, "Approved") or certificates.has_condition(csr, "Denied"):
        return False
    try:
        request = certificates.parse(csr)
        names = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, x509.ExtensionNotFound):
        return False
    if certificates.refusal_as_kubelet_serving(request, spec.get("usages") or ()):
        return False
    own = username.removeprefix(NODE_USER)
    addresses = {str(a) for a in names.get_values_for_type(x509.IPAddress)}
    return (
        certificates.subject(request)[0] == username
        and set(names.get_values_for_type(x509.DNSName)) <= {own}
        and not addresses & _addresses_of_others(nodes, own)
    )


def _addresses_of_others(nodes: Iterable[Obj], own: str) -> set[str]:
    others = (n for n in nodes if n["metadata"]["name"] != own)
    return {a["address"] for n in others for a in (n.get("status") or {}).get("addresses") or ()}


def start(context: Context) -> Run:
    requests = context.informer(CERTIFICATESIGNINGREQUESTS)
    nodes = context.informer(NODES)

    async def reconcile(name: str) -> None:
        csr = requests.store.get(name)
        if csr is None or not acceptable(csr, nodes.store.list()):
            return
        final = certificates.approved(csr, MESSAGE, rfc3339(context.clock.now()))
        try:
            await context.client.update(CERTIFICATESIGNINGREQUESTS, final, subresource="approval")
        except errors.NotFound:
            return

    work = Reconciler("kubelet-serving-approving", reconcile, clock=context.clock, workers=1)
    requests.add_handler(
        on_add=lambda new: work.add(new["metadata"]["name"]),
        on_update=lambda old, new: work.add(new["metadata"]["name"]),
    )
    return work.run((requests, nodes))


CONTROLLER = Controller("kubelet-serving-approving-controller", "certificate-controller", start, enabled=False)
