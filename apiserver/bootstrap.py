"""What every cluster has: its first namespaces, the `kubernetes` service, priority classes, the service CIDR, default roles."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from collections.abc import Callable
from functools import partial
from typing import Any

from apiserver.api import Api
from apiserver.authz import bootstrap as roles
from apiserver.endpoints import RENEW_SECONDS, Endpoints
from apiserver.interfaces import Cluster
from apiserver.storage.interface import StoreError
from pocketkube.api.meta import errors

log = logging.getLogger(__name__)

Obj = dict[str, Any]

NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")
LEAVE_SECONDS = 3.0
RETRY_SECONDS = 1.0


async def run(api: Api, cluster: Cluster, *, port: int, on_ready: Callable[[], None]) -> None:
    """Make it all and tell so, then keep the `kubernetes` service and its endpoints as they should be until cancelled."""
    await api.registry.cache.wait_ready()
    shown = api.options.endpoint_reconciler_type != "none"
    own = Endpoints(api.registry.store, cluster, api.options.advertise_address, port, shown=shown)
    while not api.bootstrapped:
        try:
            await _once(api, cluster)
            await _keep(api, cluster, own, port)
            api.bootstrapped = True
        except (StoreError, errors.StatusError) as failure:
            log.warning("cannot set up the cluster yet: %s", failure)
            await api.registry.clock.sleep(RETRY_SECONDS)
    log.info("ready: the cluster's own objects are there")
    on_ready()
    try:
        while True:
            await api.registry.clock.sleep(RENEW_SECONDS)
            await _look_after(api, cluster, own, port)
    finally:
        await _leave(own)


async def _look_after(api: Api, cluster: Cluster, own: Endpoints, port: int) -> None:
    try:
        await _keep(api, cluster, own, port)
    except StoreError as failure:
        log.warning("cannot look after the cluster's own objects: %s", failure)


async def _keep(api: Api, cluster: Cluster, own: Endpoints, port: int) -> None:
    """What the server goes on looking after. A webhook that refuses it, or is broken, must not keep the server from serving:
    nobody could mend it then."""
    for step in (partial(_publish_authentication, api), partial(_keep_service, api, port=port)):
        try:
            await step(cluster)
        except errors.StatusError as failure:
            log.warning("tried again later: %s", failure)
    try:
        await own.renew()
    except errors.StatusError as failure:
        log.warning("tried again later: %s", failure)


async def _leave(own: Endpoints) -> None:
    try:
        async with asyncio.timeout(LEAVE_SECONDS):
            await own.leave()
    except (StoreError, errors.StatusError, TimeoutError) as failure:
        log.info("this server's endpoint is left to end by itself: %s", failure)


async def _once(api: Api, cluster: Cluster) -> None:
    await asyncio.gather(*(_create(cluster, "", "namespaces", "", _namespace(name)) for name in NAMESPACES))
    await api.registry.cache.wait_fresh()
    await asyncio.gather(
        _create(cluster, "scheduling.k8s.io", "priorityclasses", "", _priority("system-node-critical", 2000001000)),
        _create(cluster, "scheduling.k8s.io", "priorityclasses", "", _priority("system-cluster-critical", 2000000000)),
        _create(cluster, "networking.k8s.io", "servicecidrs", "", _service_cidr(api.registry.service_range)),
        roles.reconcile(cluster),
    )


async def _create(cluster: Cluster, group: str, plural: str, namespace: str, obj: Obj) -> None:
    """Create what is not there."""
    if cluster.get(group, plural, namespace, obj["metadata"]["name"]) is not None:
        return
    try:
        await cluster.create(group, plural, namespace, obj)
    except errors.AlreadyExists:
        return


def _namespace(name: str) -> Obj:
    return {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": name}}


def _priority(name: str, value: int) -> Obj:
    critical = "Used for system critical pods that must"
    words = (
        f"{critical} not be moved from their current node."
        if "node" in name
        else f"{critical} run in the cluster, but can be moved to another node if necessary."
    )
    return {
        "kind": "PriorityClass",
        "apiVersion": "scheduling.k8s.io/v1",
        "metadata": {"name": name},
        "value": value,
        "description": words,
        "preemptionPolicy": "PreemptLowerPriority",
    }


def _service_cidr(cidr: str) -> Obj:
    return {
        "kind": "ServiceCIDR",
        "apiVersion": "networking.k8s.io/v1",
        "metadata": {"name": "kubernetes"},
        "spec": {"cidrs": [cidr]},
    }


async def _publish_authentication(api: Api, cluster: Cluster) -> None:
    """The CAs by which extension servers know their clients."""
    data = {}
    options = api.options
    if options.client_ca_file:
        data["client-ca-file"] = _read(options.client_ca_file)
    if options.requestheader_client_ca_file:
        import orjson

        data["requestheader-client-ca-file"] = _read(options.requestheader_client_ca_file)
        data["requestheader-allowed-names"] = orjson.dumps(options.requestheader_allowed_names).decode()
        data["requestheader-username-headers"] = orjson.dumps(options.requestheader_username_headers).decode()
        data["requestheader-group-headers"] = orjson.dumps(options.requestheader_group_headers).decode()
        data["requestheader-uid-headers"] = orjson.dumps(options.requestheader_uid_headers).decode()
        data["requestheader-extra-headers-prefix"] = orjson.dumps(options.requestheader_extra_headers_prefix).decode()
    name = "extension-apiserver-authentication"
    wanted = {
        "kind": "ConfigMap",
        "apiVersion": "v1",
        "metadata": {"name": name, "namespace": "kube-system"},
        "data": data,
    }
    current = cluster.get("", "configmaps", "kube-system", name)
    if current is None:
        await _create(cluster, "", "configmaps", "kube-system", wanted)
    elif current.get("data") != data:
        await cluster.update("", "configmaps", {**current, "data": data})


def _read(path: str) -> str:
    with open(path, encoding="ascii") as file:
        return file.read()


async def _keep_service(api: Api, cluster: Cluster, *, port: int) -> None:
    first = str(ipaddress.ip_network(api.registry.service_range, strict=False)[1])
    await _create(cluster, "", "services", "default", _service(first, port))


def _service(address: str, port: int) -> Obj:
    labels = {"component": "apiserver", "provider": "kubernetes"}
    return {
        "kind": "Service",
        "apiVersion": "v1",
        "metadata": {"name": "kubernetes", "namespace": "default", "labels": labels},
        "spec": {
            "type": "ClusterIP",
            "clusterIP": address,
            "clusterIPs": [address],
            "ipFamilies": ["IPv6" if ":" in address else "IPv4"],
            "ipFamilyPolicy": "SingleStack",
            "sessionAffinity": "None",
            "ports": [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": port}],
        },
    }
