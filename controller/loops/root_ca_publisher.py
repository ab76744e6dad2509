"""Root CA publisher: every active namespace has the cluster's CA in ConfigMap `kube-root-ca.crt`, restored when altered."""

from __future__ import annotations

from typing import Any

from controller.cluster_ca import root_ca
from controller.context import Context, Controller, Run
from controller.pod_control import namespace_ending
from controller.reconciler import Reconciler
from pocketkube.api.meta import errors
from pocketkube.client.resources import CONFIGMAPS, NAMESPACES

Obj = dict[str, Any]

NAME = "kube-root-ca.crt"
KEY = "ca.crt"
_ANNOTATIONS = {"kubernetes.io/description": "The CA that verifies the API server at its addresses inside the cluster."}


def plan(namespace: Obj | None, config_map: Obj | None, ca: str) -> Obj | None:
    """The ConfigMap to create (without resourceVersion) or to update, None if all is well."""
    if namespace is None or namespace["metadata"].get("deletionTimestamp"):
        return None
    if config_map is None:
        metadata = {"name": NAME, "namespace": namespace["metadata"]["name"], "annotations": _ANNOTATIONS}
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {KEY: ca}}
    if config_map.get("data") == {KEY: ca}:
        return None
    return {**config_map, "data": {KEY: ca}, "binaryData": None}


async def _nothing() -> None:
    """A plain http server has no CA to publish."""


def start(context: Context) -> Run:
    ca = root_ca(context.options.root_ca_file, context.manager_client.config)
    if not ca:
        return _nothing()
    namespaces = context.informer(NAMESPACES)
    published = context.informers.of(CONFIGMAPS, field_selector=f"metadata.name={NAME}")

    async def reconcile(name: str) -> None:
        wanted = plan(namespaces.store.get(name), published.store.get(f"{name}/{NAME}"), ca)
        if wanted is None:
            return
        try:
            if "resourceVersion" in wanted["metadata"]:
                await context.client.update(CONFIGMAPS, wanted)
            else:
                await context.client.create(CONFIGMAPS, wanted, name)
        except (errors.AlreadyExists, errors.NotFound):
            return  # the event that says so is on its way
        except errors.StatusError as error:
            if not namespace_ending(error):
                raise

    work = Reconciler("root-ca-publisher", reconcile, clock=context.clock, workers=1)
    namespaces.add_handler(
        on_add=lambda new: work.add(new["metadata"]["name"]),
        on_update=lambda old, new: work.add(new["metadata"]["name"]),
    )
    published.add_handler(
        on_update=lambda old, new: work.add(new["metadata"]["namespace"]),
        on_delete=lambda old: work.add(old["metadata"]["namespace"]),
    )
    return work.run((namespaces, published))


CONTROLLER = Controller(
    "root-ca-certificate-publisher-controller", "root-ca-cert-publisher", start, aliases=("root-ca-cert-publisher",)
)
