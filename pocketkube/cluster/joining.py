"""How a machine becomes a worker of a cluster elsewhere, with nothing but the server's address and a token.

1. Read `kube-public/cluster-info` without any trust, and believe it only if it is signed with the token.
2. Over TLS that its CA verifies, ask with the token for the node's client certificate, and with that for its serving certificate.
3. From then on the node is itself; the token is not kept.
"""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import email.utils
import http.client
import ipaddress
import json
import socket
import ssl
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

import yaml

from pocketkube.cluster import network, pki, tokens
from pocketkube.cluster.api import Api
from pocketkube.cluster.errors import ClusterError
from pocketkube.cluster.layout import Layout
from pocketkube.cluster.spec import ClusterSpec, Joined

CLUSTER_INFO = "/api/v1/namespaces/kube-public/configmaps/cluster-info"
EVENTS = "/api/v1/namespaces/default/events"
CSRS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
CLIENT_SIGNER = "kubernetes.io/kube-apiserver-client-kubelet"
SERVING_SIGNER = "kubernetes.io/kubelet-serving"
MAX_SKEW = 120  # seconds between two machines' clocks; certificates and leases tolerate little more
SIGN_SECONDS = 30.0
NO_CHECK_TIME = ssl.VerifyFlags(0x200000)  # OpenSSL's X509_V_FLAG_NO_CHECK_TIME
RENEW = "make a new one on the control plane: ./pk token create"


@dataclass(frozen=True, slots=True)
class Found:
    """What the cluster told about itself, proved by the token."""

    cluster: Joined
    ca: bytes  # PEM
    date: str = ""  # what the cluster's clock said, as HTTP puts it


def discover(server: str, token: str) -> Found:
    """Ask a server that we do not trust yet. Raises ClusterError with one line on what is wrong."""
    name, _ = tokens.parse(token)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False  # nothing that it says is believed without the token's signature
    context.verify_mode = ssl.CERT_NONE
    api = Api(server, context)
    code, answer = reach(server, lambda: api.call("GET", CLUSTER_INFO))
    if code != 200:
        raise ClusterError(f"{server} does not tell how to join it: {answer.get('message')}")
    data = answer.get("data") or {}
    signature = data.get(f"jws-kubeconfig-{name}")
    if not signature:
        when = dict(word.partition("=")[::2] for word in data.get("expired-tokens", "").split()).get(name)
        why = f"expired at {when}" if when else "is unknown to the cluster: mistyped, or deleted"
        raise ClusterError(f"the token {name} {why}; {RENEW}")
    if not tokens.signed(data.get("kubeconfig", ""), signature, token=token):
        raise ClusterError(f"the token {name} does not match what {server} holds: check its second half, or {RENEW}")
    return replace(read(data), date=api.date)


def discover_patiently(server: str, token: str, *, seconds: float) -> Found:
    """`discover`, again and again for a while: the control plane may be starting, or not know the token yet."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return discover(server, token)
        except ClusterError:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.1)


def tell(found: Found, problem: str, *, token: str, name: str) -> None:
    """Say in the cluster why this machine does not join: an event about the node that it would be. Never raises.

    The cluster's own time is used, and no certificate is refused for its dates: the clock here may be what is wrong."""
    when = email.utils.parsedate_to_datetime(found.date) if found.date else dt.datetime.now(dt.UTC)
    stamp = when.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    event = {
        "apiVersion": "v1", "kind": "Event", "metadata": {"generateName": f"{name}.", "namespace": "default"},
        "involvedObject": {"kind": "Node", "name": name, "uid": name}, "type": "Warning", "reason": "JoinFailed",
        "message": problem[:1024], "source": {"component": "pk join", "host": socket.gethostname()},
        "firstTimestamp": stamp, "lastTimestamp": stamp, "count": 1,
    }  # fmt: skip
    context = ssl.create_default_context(cadata=found.ca.decode())
    context.verify_flags |= NO_CHECK_TIME
    with contextlib.suppress(OSError, http.client.HTTPException):  # who joins is told on the terminal anyway
        Api(found.cluster.server, context, token=token).call("POST", EVENTS, json.dumps(event).encode())


def read(data: dict[str, str]) -> Found:
    """The parts of the ConfigMap `cluster-info`."""
    cluster = yaml.safe_load(data["kubeconfig"])["clusters"][0]["cluster"]
    joined = Joined(
        server=cluster["server"], pod_cidr=data["podCIDR"], service_cidr=data["serviceCIDR"],
        dns_ip=data["clusterDNS"], domain=data["clusterDomain"],
    )  # fmt: skip
    return Found(joined, base64.b64decode(cluster["certificate-authority-data"]))


def reach(server: str, ask: Callable[[], tuple[int, dict[str, Any]]]) -> tuple[int, dict[str, Any]]:
    """One request; what keeps it from being answered, in words."""
    try:
        return ask()
    except ssl.SSLCertVerificationError as error:
        if error.verify_code in (9, 10):  # not yet valid, expired
            raise ClusterError(f"{server}: {error.verify_message}: is this machine's clock right?") from error
        raise ClusterError(
            f"{server} is not the server that the token's cluster speaks of: {error.verify_message}"
        ) from error
    except (OSError, http.client.HTTPException) as error:
        raise ClusterError(f"{server} does not answer: {error}") from error


def check_clock(date: str, now: dt.datetime) -> None:
    """Compare our clock with what a server said in an HTTP date or RFC 3339; "" says nothing. Raises ClusterError."""
    if not date:
        return
    there = dt.datetime.fromisoformat(date) if date[:4].isdigit() else email.utils.parsedate_to_datetime(date)
    ahead = (now - there).total_seconds()
    if abs(ahead) > MAX_SKEW:
        minutes, rest = divmod(round(abs(ahead)), 60)
        way = "ahead of" if ahead > 0 else "behind"
        raise ClusterError(
            f"this machine's clock is {minutes}m{rest}s {way} the control plane's: set it right (NTP) and join again"
        )


def check_networks(cluster: Joined, *, local: Iterable[str], server_ip: str) -> None:
    """Raise if the cluster's addresses are used here already. `local` are the CIDRs of this machine's addresses and routes."""
    for what, cidr in (("pods", cluster.pod_cidr), ("services", cluster.service_cidr)):
        wanted = ipaddress.ip_network(cidr)
        for text in local:
            there = ipaddress.ip_network(text, strict=False)
            if there.version == wanted.version and there.overlaps(wanted):
                raise ClusterError(
                    f"the cluster's {what} have addresses in {cidr}, which overlaps {text} on this machine: "
                    "remove that network here, or build the cluster on another one"
                )
        if server_ip and ipaddress.ip_address(server_ip) in wanted:
            raise ClusterError(f"the server's address {server_ip} lies in the range of the cluster's {what}, {cidr}")


def check_name(api: Api, name: str, address: str) -> None:
    """Raise if another machine serves under this node name."""
    code, node = api.call("GET", f"/api/v1/nodes/{name}")
    if code == 401:
        raise ClusterError(f"the cluster does not accept the token any more: it expired or was deleted; {RENEW}")
    if code != 200:
        return
    there = next((a["address"] for a in node.get("status", {}).get("addresses", ()) if a["type"] == "InternalIP"), "")
    if there and there != address:
        raise ClusterError(
            f"the cluster has a node {name!r} already, at {there}: choose another with --node-name, "
            f"or remove that one first: kubectl delete node {name}"
        )


def obtain_identity(layout: Layout, found: Found, *, token: str, name: str, address: str) -> None:
    """Get the node's two certificates signed and store them, with the CA, in the cluster's folder. Raises ClusterError."""
    client, _ = pki.node_leaves(name, address)
    pki.keep(layout.pki, "ca", found.ca)
    context = ssl.create_default_context(cadata=found.ca.decode())
    api = Api(found.cluster.server, context, token=token)
    reach(found.cluster.server, lambda: api.call("GET", "/version"))
    check_name(api, name, address)
    request, key = pki.request(client)
    usages = ["digital signature", "key encipherment"]
    pki.keep(layout.pki, client.file, _sign(api, name, request, CLIENT_SIGNER, [*usages, "client auth"]), key)
    context = ssl.create_default_context(cadata=found.ca.decode())
    context.load_cert_chain(layout.pki / f"{client.file}.crt", layout.pki / f"{client.file}.key")
    obtain_serving(layout, Api(found.cluster.server, context), name=name, address=address)


def obtain_serving(layout: Layout, node: Api, *, name: str, address: str) -> None:
    """Get, as the node itself, the certificate that its kubelet serves with."""
    _, serving = pki.node_leaves(name, address)
    request, key = pki.request(serving)
    usages = ["digital signature", "key encipherment", "server auth"]
    pki.keep(layout.pki, serving.file, _sign(node, name, request, SERVING_SIGNER, usages), key)


def follow_address(layout: Layout, spec: ClusterSpec) -> ClusterSpec:
    """A joined machine whose address changed since it last ran: its spec with today's, and a certificate for that."""
    node = spec.nodes[0]
    there = network.local_addresses()
    if node.address in there:
        return spec
    address = network.primary_address(str(socket.gethostbyname(server_host(spec.server))))
    if not address:
        raise ClusterError(f"this machine has no route to {spec.server}")
    api = Api.of(layout, spec)
    reach(spec.server, lambda: api.call("GET", "/version"))
    obtain_serving(layout, api, name=node.name, address=address)
    return replace(spec, address=address, nodes=(replace(node, address=address),))


def _sign(api: Api, name: str, request: bytes, signer: str, usages: list[str]) -> bytes:
    """The certificate in PEM, once the cluster has approved and signed. Raises ClusterError."""
    wanted = {
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "metadata": {"generateName": f"join-{name}-"},
        "spec": {"request": base64.b64encode(request).decode(), "signerName": signer, "usages": usages},
    }
    code, made = api.call("POST", CSRS, json.dumps(wanted).encode())
    if code >= 300:
        raise ClusterError(f"the cluster refuses to sign this node's certificate: {made.get('message')}")
    check_clock(made["metadata"]["creationTimestamp"], dt.datetime.now(dt.UTC))
    path = f"{CSRS}/{made['metadata']['name']}"
    deadline = time.monotonic() + SIGN_SECONDS
    while time.monotonic() < deadline:
        status = api.call("GET", path)[1].get("status", {})
        if status.get("certificate"):
            return base64.b64decode(status["certificate"])
        for condition in status.get("conditions", ()):
            if condition["type"] in ("Denied", "Failed"):
                raise ClusterError(f"the cluster refuses to sign this node's certificate: {condition.get('message')}")
        time.sleep(0.05)
    raise ClusterError(
        f"nobody signed this node's certificate within {SIGN_SECONDS:.0f}s: look at `kubectl get csr {made['metadata']['name']}` "
        "and whether the controller manager runs"
    )


def server_host(server: str) -> str:
    return urlsplit(server).hostname or ""
