"""ReplicaSet: keeps `spec.replicas` pods of its template. What it shares with ReplicationController is in `controller.replicas`."""

from __future__ import annotations

from controller.context import Context, Controller, Obj, Run
from controller.replicas import Flavour, ReplicaLoop
from pocketkube.api.meta.selectors import Selector, from_label_selector
from pocketkube.client.resources import REPLICASETS


def _selector(replica_set: Obj) -> Selector:
    return from_label_selector(replica_set["spec"].get("selector"))


def start(context: Context) -> Run:
    workers = context.options.concurrent_replicaset_syncs
    return ReplicaLoop(context, Flavour(REPLICASETS, _selector, workers, counts_terminating=True)).run()


CONTROLLER = Controller("replicaset-controller", "replicaset-controller", start, aliases=("replicaset",))
