"""`kubectl cluster-info`: where the control plane answers."""

from __future__ import annotations

import argparse

from kubectl.command import Command
from kubectl.session import Session
from pocketkube.client.resources import SERVICES


async def run(session: Session, args: argparse.Namespace) -> int:
    server = session.config.server
    services = await session.client.items(SERVICES, "kube-system", labelSelector="kubernetes.io/cluster-service=true")
    session.say(f"Kubernetes control plane is running at {server}")
    for service in services:
        meta = service["metadata"]
        name = (meta.get("labels") or {}).get("kubernetes.io/name", meta["name"])
        port = (service["spec"].get("ports") or [{}])[0].get("name", "")
        address = f"{meta['name']}:{port}" if port else meta["name"]
        session.say(f"{name} is running at {server}/api/v1/namespaces/kube-system/services/{address}/proxy")
    session.say("\nTo further debug and diagnose cluster problems, use 'kubectl get events -A'.")
    return 0


COMMAND = Command(help="Display cluster information", run=run)
