"""The service proxy and the cluster's DNS of one node: `python -m proxy --kubeconfig FILE --hostname-override NODE`."""

from __future__ import annotations

import argparse
import asyncio
import logging
import shutil
import socket
import sys
from collections.abc import Iterable
from typing import Any

from pocketkube.base import logs, plugins, tasks
from pocketkube.base.clock import SystemClock
from proxy import host
from proxy.backends import Backend, Host

log = logging.getLogger("proxy")

Obj = dict[str, Any]


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(prog="proxy", description=__doc__)
    p.add_argument(
        "--kubeconfig", default="", help="how to reach the API server; in a pod, its service account is used"
    )
    p.add_argument("--hostname-override", default="", help="this node's name (default: the host's)")
    p.add_argument("--node-ip", default="")
    p.add_argument("--cluster-cidr", default="", help="the pods' range: traffic from outside it is masqueraded")
    p.add_argument(
        "--node-routes", default="false", choices=("true", "false"), help="also keep the routes to other nodes' pods"
    )
    modes = ("", *plugins.scan("proxy.backends", "BACKEND"))
    p.add_argument("--proxy-mode", default="", choices=modes, help="default: nftables if it is there")
    p.add_argument("--nftables-table", default="pocketkube", help="name of the kernel's table")
    p.add_argument("--cluster-dns", default="", help="address to answer DNS at; empty serves no DNS")
    p.add_argument("--cluster-domain", default="cluster.local")
    p.add_argument("--healthz-bind-address", default="0.0.0.0:10256")
    p.add_argument("--metrics-bind-address", default="127.0.0.1:10249")
    p.add_argument("--cleanup", action="store_true", help="remove all rules that a proxy made here, and exit")
    p.add_argument("--v", default="info", help="log level")
    return p


def build_backend(args: argparse.Namespace) -> Backend:
    mode = args.proxy_mode or ("nftables" if shutil.which("nft") else "userspace")
    about = Host(table=args.nftables_table, cluster_cidr=args.cluster_cidr, node_ip=args.node_ip)
    backend: Backend = plugins.scan("proxy.backends", "BACKEND")[mode](about)
    log.info("proxy mode %s, node %s", mode, args.hostname_override)
    return backend


async def run(args: argparse.Namespace, stop: asyncio.Event) -> None:
    """All tasks of this process: two informers, the syncer, DNS, and the endpoints for probes and metrics."""
    from pocketkube.client import config, resources
    from pocketkube.client.informer import Informers
    from pocketkube.client.rest import Client
    from proxy.health import serve_health, serve_metrics
    from proxy.table import Syncer, service_of_slice

    clock = SystemClock()
    host.prepare(cluster_cidr=args.cluster_cidr, dns_ip=args.cluster_dns)
    client = Client(config.load(args.kubeconfig or None), user_agent="proxy")
    informers = Informers(client)
    services = informers.of(resources.SERVICES, indexers={"ip": _cluster_ips, "namespace": _namespace})
    slices = informers.of(resources.ENDPOINTSLICES, indexers={"service": service_of_slice, "ip": _addresses})
    backend = build_backend(args)
    syncer = Syncer(
        services, slices, backend=backend, node=args.hostname_override, clock=clock, skip=frozenset({args.cluster_dns})
    )  # fmt: skip
    work = {
        "informers": informers.run(),
        "syncer": syncer.run(),
        "healthz": serve_health(args.healthz_bind_address, syncer, stop=stop),
        "metrics": serve_metrics(args.metrics_bind_address, args.proxy_mode or "nftables", stop=stop),
    }
    if args.node_routes == "true" and args.cluster_cidr:
        from proxy.routes import Router

        nodes = informers.of(resources.NODES)
        router = Router(
            nodes, name=args.hostname_override, address=args.node_ip, cluster_cidr=args.cluster_cidr, clock=clock
        )
        work["routes"] = router.run()
    if args.cluster_dns:
        work["dns"] = _dns(args, services, slices, clock)
    try:
        await tasks.run_tasks(work, stop=stop)
    finally:
        await backend.close()
        await client.aclose()


async def _dns(args: argparse.Namespace, services: Any, slices: Any, clock: Any) -> None:
    from proxy.dns.forward import Forwarder, resolvers
    from proxy.dns.records import View
    from proxy.dns.server import Resolver, serve

    await services.wait_synced()
    await slices.wait_synced()
    view = View(
        domain=args.cluster_domain,
        service=services.store.get,
        slices=lambda key: slices.store.by_index("service", key),
        namespace_exists=lambda name: bool(services.store.by_index("namespace", name)) or name == "default",
        services_by_ip=lambda ip: services.store.by_index("ip", ip),
        endpoints_by_ip=lambda ip: slices.store.by_index("ip", ip),
    )
    forwarder = Forwarder(resolvers(exclude=frozenset({args.cluster_dns})), clock)
    await serve(Resolver(view, forwarder), host=args.cluster_dns)


def _cluster_ips(service: Obj) -> Iterable[str]:
    ip = service["spec"].get("clusterIP")
    return [ip] if ip and ip != "None" else []


def _namespace(obj: Obj) -> Iterable[str]:
    return [obj["metadata"]["namespace"]]


def _addresses(item: Obj) -> Iterable[str]:
    return {ip for endpoint in item.get("endpoints") or () for ip in endpoint.get("addresses") or ()}


def main(argv: list[str] | None = None) -> int:
    args = parser().parse_args(argv)
    args.hostname_override = args.hostname_override or socket.gethostname().lower()
    logs.setup(args.v)
    if args.cleanup:
        host.cleanup(cluster_cidr=args.cluster_cidr, dns_ip=args.cluster_dns)
        if args.cluster_cidr:
            from proxy import routes

            routes.cleanup(args.cluster_cidr)
        asyncio.run(build_backend(args).cleanup())
        return 0
    return tasks.main(lambda stop: run(args, stop))


if __name__ == "__main__":
    sys.exit(main())
