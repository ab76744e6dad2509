"""A kubelet's own certificates over time: the first by its bootstrap identity, later ones by the one before."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from kubelet.certificates import requests
from kubelet.config import KubeletConfig
from pocketkube.base.backoff import Backoff
from pocketkube.base.clock import Clock
from pocketkube.client.config import load
from pocketkube.client.rest import Client

log = logging.getLogger(__name__)

CURRENT = "kubelet-client-current.pem"
SERVING = "kubelet-server-current.pem"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A certificate for `node`, by which signer and for which usages; of a server also its addresses and names."""

    node: str
    signer: str
    usages: Sequence[str]
    addresses: Sequence[str] = ()
    names: Sequence[str] = ()


def client_certificate(node: str) -> Wanted:
    return Wanted(node=node, signer=requests.CLIENT_SIGNER, usages=requests.CLIENT_USAGES)


def serving_certificate(node: str, addresses: Sequence[str]) -> Wanted:
    return Wanted(
        node=node,
        signer=requests.SERVING_SIGNER,
        usages=requests.SERVING_USAGES,
        addresses=addresses,
        names=(node,),
    )


async def bootstrap(config: KubeletConfig, clock: Clock) -> None:
    """Make the kubeconfig, if it is not there: with a certificate that the bootstrap identity asks for. Tries until it gets one."""
    if not config.bootstrap_kubeconfig or _joined(config):
        return
    identity = load(config.bootstrap_kubeconfig)
    client = Client(identity, user_agent="kubelet")
    pem = config.cert_dir / CURRENT
    try:
        await obtain(client, pem, client_certificate(config.node_name), clock=clock)
    finally:
        await client.aclose()
    _write_kubeconfig(Path(config.kubeconfig), Path(config.bootstrap_kubeconfig), pem, config.node_name)
    log.info("joined the cluster as node %s", config.node_name)


async def obtain(client: Client, pem: Path, wanted: Wanted, *, clock: Clock) -> None:
    """Ask until there is one, and keep it with its key in `pem`."""
    backoff = Backoff(1.0, 60.0)
    while True:
        key, request = requests.key_and_request(wanted.node, addresses=wanted.addresses, names=wanted.names)
        try:
            certificate = await requests.sign(client, request, signer=wanted.signer, usages=wanted.usages, clock=clock)
        except requests.TRANSIENT as e:
            wait = backoff.next()
            log.warning("no certificate from %s yet: %s; again in %.0f s", wanted.signer, e, wait)
            await clock.sleep(wait)
            continue
        requests.keep(pem, key=key, certificate=certificate)
        return


def _joined(config: KubeletConfig) -> bool:
    return Path(config.kubeconfig).exists()


def _write_kubeconfig(target: Path, source: Path, pem: Path, node: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.touch(mode=0o600)
    target.write_text(_kubeconfig(source, pem, node))


def _kubeconfig(bootstrap: Path, pem: Path, node: str) -> str:
    """The bootstrap kubeconfig's cluster, with the node's own identity."""
    found = yaml.safe_load(bootstrap.read_text())
    current = found.get("current-context")
    context = next((c["context"] for c in found["contexts"] if c["name"] == current), found["contexts"][0]["context"])
    cluster = next(c for c in found["clusters"] if c["name"] == context["cluster"])
    user = {"client-certificate": str(pem), "client-key": str(pem)}
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [cluster],
            "users": [{"name": f"system:node:{node}", "user": user}],
            "contexts": [{"name": "default", "context": {"cluster": cluster["name"], "user": f"system:node:{node}"}}],
            "current-context": "default",
        }
    )


async def keep_fresh(
    client: Client, pem: Path, wanted: Wanted, *, clock: Clock, renewed: Callable[[], None] = lambda: None
) -> None:
    """For ever: a new certificate when four fifths of the old one's life are over."""
    while True:
        await clock.sleep(min(requests.renewal(pem), 24 * 3600.0))
        if requests.renewal(pem) > 0:
            continue
        await obtain(client, pem, wanted, clock=clock)
        log.info("renewed the certificate %s", pem.name)
        renewed()
