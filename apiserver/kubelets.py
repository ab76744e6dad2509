"""The way to a node's kubelet: where it listens, and our client certificate."""

from __future__ import annotations

import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from apiserver.backends import Target
from pocketkube.api.meta import errors
from pocketkube.base import tls

Obj = dict[str, Any]


@dataclass
class Kubelets:
    """Certificates are file paths; without a `ca` a kubelet's certificate is not checked, as upstream."""

    certificate: str = ""
    key: str = ""
    ca: str = ""
    address_types: Sequence[str] = ("InternalIP",)
    _context: ssl.SSLContext | None = None

    @property
    def context(self) -> ssl.SSLContext:
        if self._context is None:
            context = tls.client_context(self.ca or None, self.certificate or None, self.key or None)
            if not self.ca:
                context.check_hostname = False
                context.verify_mode = ssl.CERT_NONE
            self._context = context
        return self._context

    def target(self, node: Obj) -> Target:
        """Where a node's kubelet listens. Raises ServiceUnavailable for a node without an address."""
        status = node.get("status") or {}
        endpoint = (status.get("daemonEndpoints") or {}).get("kubeletEndpoint") or {}
        addresses = {a["type"]: a["address"] for a in reversed(status.get("addresses") or [])}
        for kind in ("InternalIP", *self.address_types):
            if address := addresses.get(kind):
                return Target(address, int(endpoint.get("Port") or 10250), self.context)
        name = node["metadata"]["name"]
        raise errors.ServiceUnavailable(f"no preferred addresses found for node {name!r}; known addresses: []")


def address(path: Sequence[str], query: Sequence[tuple[str, str]] | Mapping[str, str] = ()) -> str:
    """`/exec/default/web/c?command=ls` of its parts."""
    text = "/" + "/".join(quote(part, safe="") for part in path)
    return f"{text}?{urlencode(query)}" if query else text
