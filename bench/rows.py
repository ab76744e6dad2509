"""The rows of the table: pods of 2.3 kB in one namespace, created, read, listed, selected, patched, watched and deleted."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

from bench import watching
from bench.connection import MERGE, STRATEGIC
from bench.load import Load, Row

NAMESPACE = "pk-bench"
PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
ROWS = ("create", "get", "list", "quorum list", "select", "patch", "status", "watch", "delete")
WATCHERS, EVENTS = 100, 200
_STATUS = b'{"status":{"phase":"Running","podIP":"10.0.0.1"}}'


def pod(number: int) -> bytes:
    container = {
        "name": "main",
        "image": "busybox:1.36",
        "command": ["sleep", "3600"],
        "env": [{"name": f"VARIABLE_{at}", "value": "value " * 4} for at in range(5)],
        "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}},
        "ports": [{"containerPort": 8080}],
    }
    spec = {"schedulerName": "nobody", "automountServiceAccountToken": False, "containers": [container]}
    metadata = {"name": f"pod-{number}", "labels": {"app": "bench", "number": str(number)}}
    return json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}).encode()


async def prepare(load: Load) -> None:
    """The namespace, and the service account that its pods need where no controller makes it. Both may be there."""
    namespace = b'{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"%b"}}' % NAMESPACE.encode()
    await load.one.ask("POST", "/api/v1/namespaces", namespace)
    account = b'{"apiVersion":"v1","kind":"ServiceAccount","metadata":{"name":"default"}}'
    await load.one.ask("POST", f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts", account)


async def measure(load: Load, requests: int, wanted: Sequence[str] = ROWS) -> AsyncIterator[Row]:
    """Each wanted row, in the order of ROWS."""
    made = {
        "create": (requests, lambda i: ("POST", PODS, pod(i))),
        "get": (requests, lambda i: ("GET", f"{PODS}/pod-{i}")),
        "list": (40, lambda i: ("GET", f"{PODS}?resourceVersion=0")),
        "quorum list": (20, lambda i: ("GET", PODS)),
        "select": (100, lambda i: ("GET", f"{PODS}?labelSelector=number%3D{i}")),
        "patch": (requests, lambda i: ("PATCH", f"{PODS}/pod-{i}", _annotation(i), MERGE)),
        "status": (requests, lambda i: ("PATCH", f"{PODS}/pod-{i}/status", _STATUS, STRATEGIC)),
        "delete": (requests, lambda i: ("DELETE", f"{PODS}/pod-{i}?gracePeriodSeconds=0")),
    }
    for name in ROWS:
        if name not in wanted:
            continue
        if name == "watch":
            yield replace(await watching.fan_out(load, PODS, "pod-", watchers=WATCHERS, events=EVENTS), name=name)
        else:
            yield await load.run(name, *made[name])


def _annotation(number: int) -> bytes:
    return b'{"metadata":{"annotations":{"bench":"%d"}}}' % number
