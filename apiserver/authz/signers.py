"""Rights on certificate signers: for one signer by name, or for all of a domain as `example.com/*`."""

from __future__ import annotations

from apiserver.interfaces import Authorizer, RequestInfo, User


def may(authorizer: Authorizer | None, user: User, verb: str, *, signer: str) -> bool:
    """`verb` is approve, sign or attest. Without an authorizer nothing is allowed."""
    if authorizer is None:
        return False
    domain = signer.partition("/")[0]
    for name in (signer, f"{domain}/*"):
        request = RequestInfo(verb, "", True, "certificates.k8s.io", "*", "signers", name=name)
        if authorizer.authorize(user, request).allowed:
            return True
    return False
