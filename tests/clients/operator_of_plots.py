"""An operator as its users write one, run by kopf: it makes a child, follows changes, ticks, checks and cleans up."""

from __future__ import annotations

import os
from typing import Any

import kopf
import kubernetes

kubernetes.config.load_kube_config()
core = kubernetes.client.CoreV1Api()
PLOTS = ("example.com", "v1", "plots")


@kopf.on.startup()
def configure(settings: kopf.OperatorSettings, **_: Any) -> None:
    keys = os.environ["KEYS"]
    settings.admission.managed = "operator.example.com"
    settings.admission.server = kopf.WebhookServer(
        addr="127.0.0.1", port=int(os.environ["WEBHOOK_PORT"]), host="127.0.0.1",
        certfile=f"{keys}/apiserver.crt", pkeyfile=f"{keys}/apiserver.key", cafile=f"{keys}/ca.crt",
    )  # fmt: skip
    settings.persistence.finalizer = "example.com/plots"
    settings.watching.server_timeout = 60


@kopf.on.create(*PLOTS)
def create(name: str, namespace: str, spec: kopf.Spec, body: kopf.Body, **_: Any) -> dict[str, str]:
    child = {"metadata": {"name": f"{name}-child"}, "data": {"size": str(spec["size"])}}
    kopf.adopt(child, owner=body)
    core.create_namespaced_config_map(namespace, child)
    kopf.info(body, reason="Planted", message="it grows")
    return {"child": f"{name}-child"}


@kopf.on.update(*PLOTS, field="spec.size")
def resize(old: int, new: int, patch: kopf.Patch, **_: Any) -> None:
    patch.status["resized"] = f"{old} to {new}"


@kopf.on.delete(*PLOTS)
def remove(name: str, namespace: str, **_: Any) -> None:
    core.create_namespaced_config_map(namespace, {"metadata": {"name": f"{name}-gone"}})


@kopf.timer(*PLOTS, interval=0.5)
def tick(status: kopf.Status, patch: kopf.Patch, **_: Any) -> None:
    patch.status["ticks"] = status.get("ticks", 0) + 1


@kopf.on.mutate(*PLOTS)
def mark(patch: kopf.Patch, **_: Any) -> None:
    patch.metadata["labels"] = {"marked": "yes"}


@kopf.on.validate(*PLOTS)
def check(spec: kopf.Spec, warnings: list[str], **_: Any) -> None:
    if spec.get("size", 0) > 100:
        raise kopf.AdmissionError("no plot is that big", code=422)
    warnings.append("checked")
