"""ServiceAccount: every active namespace has a service account named `default`, again at once when it is deleted."""

from __future__ import annotations

from typing import Any

from controller.context import Context, Controller, Run
from controller.pod_control import namespace_ending
from controller.reconciler import Reconciler
from pocketkube.api.meta import errors
from pocketkube.client.resources import NAMESPACES, SERVICEACCOUNTS

Obj = dict[str, Any]
NAME = "default"


def plan(namespace: Obj | None, account: Obj | None) -> Obj | None:
    """The service account to create, if one is missing from a namespace that lives."""
    if namespace is None or account is not None or namespace["metadata"].get("deletionTimestamp"):
        return None
    if (namespace.get("status") or {}).get("phase", "Active") != "Active":
        return None
    metadata = {"name": NAME, "namespace": namespace["metadata"]["name"]}
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}


def start(context: Context) -> Run:
    namespaces, accounts = context.informer(NAMESPACES), context.informer(SERVICEACCOUNTS)

    async def reconcile(name: str) -> None:
        missing = plan(namespaces.store.get(name), accounts.store.get(f"{name}/{NAME}"))
        if missing is None:
            return
        try:
            await context.client.create(SERVICEACCOUNTS, missing, name)
        except errors.AlreadyExists:
            return
        except errors.StatusError as error:
            if not namespace_ending(error):
                raise

    work = Reconciler("serviceaccount", reconcile, clock=context.clock, workers=1)
    namespaces.add_handler(
        on_add=lambda new: work.add(new["metadata"]["name"]),
        on_update=lambda old, new: work.add(new["metadata"]["name"]),
    )
    accounts.add_handler(on_delete=lambda old: work.add(old["metadata"]["namespace"]))
    return work.run((namespaces, accounts))


CONTROLLER = Controller("serviceaccount-controller", "service-account-controller", start, aliases=("serviceaccount",))
