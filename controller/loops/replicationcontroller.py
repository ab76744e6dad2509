"""ReplicationController: ReplicaSet's older form, whose selector is a plain map."""

from __future__ import annotations

from controller.context import Context, Controller, Obj, Run
from controller.replicas import Flavour, ReplicaLoop
from pocketkube.api.meta.selectors import Selector, from_label_selector, from_match_labels
from pocketkube.client.resources import REPLICATIONCONTROLLERS


def _selector(controller: Obj) -> Selector:
    wanted = controller["spec"].get("selector")
    return from_match_labels(wanted) if wanted else from_label_selector(None)


def start(context: Context) -> Run:
    return ReplicaLoop(context, Flavour(REPLICATIONCONTROLLERS, _selector, context.options.concurrent_rc_syncs)).run()


CONTROLLER = Controller(
    "replicationcontroller-controller", "replication-controller", start, aliases=("replicationcontroller",)
)
