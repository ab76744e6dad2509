"""What runs containers, and the services before it."""

from __future__ import annotations

import argparse
from typing import Any

from kubectl.generators.generator import MANY, REQUIRED, TEXT, Generator, Parser, meta, named, pure
from kubectl.session import Session

Obj = dict[str, Any]


def _container(name: str, image: str, command: list[str] | None) -> Obj:
    return {"name": name, "image": image, **({"command": command} if command else {})}


def _image_name(image: str) -> str:
    return image.rpartition("/")[2].partition("@")[0].partition(":")[0].replace(".", "-").replace("_", "-")


def _deployment(args: argparse.Namespace) -> Obj:
    labels = {"app": args.name}
    containers = [_container(_image_name(i), i, args.tail) for i in args.image]
    if args.port:
        containers[0]["ports"] = [{"containerPort": args.port}]
    template = {"metadata": {"labels": labels}, "spec": {"containers": containers}}
    spec = {"replicas": args.replicas, "selector": {"matchLabels": labels}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta(args.name, app=args.name), "spec": spec}


def _pod_template(args: argparse.Namespace) -> Obj:
    policy = args.restart or "Never"
    return {"spec": {"containers": [_container(args.name, args.image, args.tail)], "restartPolicy": policy}}


async def _job(session: Session, args: argparse.Namespace) -> Obj | None:
    job: Obj = {"apiVersion": "batch/v1", "kind": "Job", "metadata": meta(args.name)}
    if not args.from_:
        return {**job, "spec": {"template": _pod_template(args)}}
    kind, _, name = args.from_.partition("/")
    found = await session.discovery.find(kind)
    source = await session.client.get(found.resource, name, session.namespace)
    template = source["spec"]["jobTemplate"]
    metadata = {**(template.get("metadata") or {}), "name": args.name}
    metadata["annotations"] = {**(metadata.get("annotations") or {}), "cronjob.kubernetes.io/instantiate": "manual"}
    owner = {
        "apiVersion": source["apiVersion"], "kind": source["kind"], "name": name, "uid": source["metadata"]["uid"], "controller": True,
    }  # fmt: skip
    return {**job, "metadata": {**metadata, "ownerReferences": [owner]}, "spec": template["spec"]}


def _cronjob(args: argparse.Namespace) -> Obj:
    template = _pod_template(args)
    template["spec"]["restartPolicy"] = args.restart or "OnFailure"
    spec = {"schedule": args.schedule, "jobTemplate": {"metadata": meta(args.name), "spec": {"template": template}}}
    return {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": meta(args.name), "spec": spec}


def _service_arguments(parser: Parser) -> None:
    parser.add_argument("form", choices=("clusterip", "nodeport", "loadbalancer", "externalname"))
    parser.add_argument("name")
    parser.add_argument("--tcp", action="append", default=[])
    parser.add_argument("--clusterip", default="")
    parser.add_argument("--node-port", type=int, default=0)
    parser.add_argument("--external-name", default="")


def _service(args: argparse.Namespace) -> Obj:
    kinds = {
        "clusterip": "ClusterIP",
        "nodeport": "NodePort",
        "loadbalancer": "LoadBalancer",
        "externalname": "ExternalName",
    }
    ports = []
    for text in args.tcp:
        port, _, target = text.partition(":")
        value: int | str = int(target) if target.isdigit() else target or int(port)
        ports.append({"name": text.replace(":", "-"), "port": int(port), "protocol": "TCP", "targetPort": value})
        if args.node_port:
            ports[-1]["nodePort"] = args.node_port
    spec: Obj = {"type": kinds[args.form], "selector": {"app": args.name}, "ports": ports}
    if args.clusterip:
        spec["clusterIP"] = args.clusterip
    if args.external_name:
        spec["externalName"] = args.external_name
    return {"apiVersion": "v1", "kind": "Service", "metadata": meta(args.name, app=args.name), "spec": spec}


GENERATORS: dict[str, Generator] = {
    "deployment": Generator(
        help="a deployment",
        arguments=named(
            ("--image", {**MANY, **REQUIRED}), ("--replicas", {"type": int, "default": 1}), ("--port", {"type": int, "default": 0})
        ),
        make=pure(_deployment), aliases=("deploy",),
    ),
    "job": Generator(
        help="a job",
        arguments=named(("--image", TEXT), ("--from", {**TEXT, "dest": "from_"}), ("--restart", TEXT)), make=_job,
    ),
    "cronjob": Generator(
        help="a cron job",
        arguments=named(("--image", REQUIRED), ("--schedule", REQUIRED), ("--restart", TEXT)),
        make=pure(_cronjob), aliases=("cj",),
    ),
    "service": Generator(help="a service", arguments=_service_arguments, make=pure(_service), aliases=("svc",)),
}  # fmt: skip
