"""Objects made from words: what `kubectl create KIND` sends. Each generator is pure but for `token`, which asks the server."""

from __future__ import annotations

import argparse
import base64
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kubectl.errors import CommandError
from kubectl.session import Session
from pocketkube.client.resources import SERVICEACCOUNTS

Obj = dict[str, Any]
Parser = argparse.ArgumentParser


@dataclass(frozen=True, kw_only=True)
class Generator:
    """`make` returns the object to create, or None where it did its work itself."""

    help: str
    arguments: Callable[[Parser], None]
    make: Callable[[Session, argparse.Namespace], Awaitable[Obj | None]]
    aliases: tuple[str, ...] = ()


def _pure(build: Callable[[argparse.Namespace], Obj]) -> Callable[[Session, argparse.Namespace], Awaitable[Obj | None]]:
    async def make(session: Session, args: argparse.Namespace) -> Obj | None:
        return build(args)

    return make


def _named(*flags: tuple[str, dict[str, Any]]) -> Callable[[Parser], None]:
    def add(parser: Parser) -> None:
        parser.add_argument("name")
        for flag, options in flags:
            parser.add_argument(flag, **options)

    return add


MANY: dict[str, Any] = {"action": "append", "default": []}
TEXT: dict[str, Any] = {"default": ""}


def _meta(name: str, **labels: str) -> Obj:
    return {"name": name, "labels": labels} if labels else {"name": name}


def data_from(args: argparse.Namespace) -> dict[str, bytes]:
    """Entries of --from-literal, --from-file and --from-env-file. Raises CommandError for what cannot be read."""
    data: dict[str, bytes] = {}
    for literal in args.from_literal:
        key, equals, value = literal.partition("=")
        if not equals:
            raise CommandError(f"invalid literal source {literal}, expected key=value")
        data[key] = value.encode()
    for source in args.from_file:
        key, equals, name = source.partition("=")
        path = Path(name if equals else source)
        if not path.exists():
            raise CommandError(f"error reading {path}: no such file or directory")
        files = sorted(p for p in path.iterdir() if p.is_file()) if path.is_dir() else [path]
        data.update({(key if equals else p.name): p.read_bytes() for p in files})
    for name in args.from_env_file:
        for line in Path(name).read_text().splitlines():
            if line.strip() and not line.startswith("#"):
                key, _, value = line.partition("=")
                data[key.strip()] = value.encode()
    return data


SOURCES = (
    ("--from-literal", MANY),
    ("--from-file", MANY),
    ("--from-env-file", MANY),
    ("--append-hash", {"action": "store_true"}),
)


def _configmap(args: argparse.Namespace) -> Obj:
    text: Obj = {}
    binary: Obj = {}
    for key, value in data_from(args).items():
        try:
            text[key] = value.decode()
        except UnicodeDecodeError:
            binary[key] = base64.b64encode(value).decode()
    made: Obj = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": _meta(args.name)}
    return {**made, **({"data": text} if text else {}), **({"binaryData": binary} if binary else {})}


def _secret(type_: str, name: str, data: dict[str, bytes]) -> Obj:
    encoded = {k: base64.b64encode(v).decode() for k, v in data.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": _meta(name), "type": type_, "data": encoded}


def _secret_arguments(parser: Parser) -> None:
    parser.add_argument("form", choices=("generic", "tls", "docker-registry"))
    parser.add_argument("name")
    for flag, options in SOURCES:
        parser.add_argument(flag, **options)
    for flag in (
        "--type",
        "--cert",
        "--key",
        "--docker-server",
        "--docker-username",
        "--docker-password",
        "--docker-email",
    ):
        parser.add_argument(flag, default="")


def _secret_of(args: argparse.Namespace) -> Obj:
    if args.form == "tls":
        data = {"tls.crt": Path(args.cert).read_bytes(), "tls.key": Path(args.key).read_bytes()}
        return _secret("kubernetes.io/tls", args.name, data)
    if args.form == "docker-registry":
        import json

        server = args.docker_server or "https://index.docker.io/v1/"
        token = base64.b64encode(f"{args.docker_username}:{args.docker_password}".encode()).decode()
        entry = {
            "username": args.docker_username,
            "password": args.docker_password,
            "email": args.docker_email,
            "auth": token,
        }
        data = {".dockerconfigjson": json.dumps({"auths": {server: entry}}).encode()}
        return _secret("kubernetes.io/dockerconfigjson", args.name, data)
    return _secret(args.type or "Opaque", args.name, data_from(args))


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
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": _meta(args.name, app=args.name), "spec": spec}


def _pod_template(args: argparse.Namespace) -> Obj:
    policy = args.restart or "Never"
    return {"spec": {"containers": [_container(args.name, args.image, args.tail)], "restartPolicy": policy}}


async def _job(session: Session, args: argparse.Namespace) -> Obj | None:
    job: Obj = {"apiVersion": "batch/v1", "kind": "Job", "metadata": _meta(args.name)}
    if not args.from_:
        return {**job, "spec": {"template": _pod_template(args)}}
    kind, _, name = args.from_.partition("/")
    found = await session.discovery.find(kind)
    source = await session.client.get(found.resource, name, session.namespace)
    template = source["spec"]["jobTemplate"]
    meta = {**(template.get("metadata") or {}), "name": args.name}
    meta["annotations"] = {**(meta.get("annotations") or {}), "cronjob.kubernetes.io/instantiate": "manual"}
    owner = {
        "apiVersion": source["apiVersion"], "kind": source["kind"], "name": name, "uid": source["metadata"]["uid"], "controller": True,
    }  # fmt: skip
    return {**job, "metadata": {**meta, "ownerReferences": [owner]}, "spec": template["spec"]}


def _cronjob(args: argparse.Namespace) -> Obj:
    template = _pod_template(args)
    template["spec"]["restartPolicy"] = args.restart or "OnFailure"
    spec = {"schedule": args.schedule, "jobTemplate": {"metadata": _meta(args.name), "spec": {"template": template}}}
    return {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": _meta(args.name), "spec": spec}


def _rule(args: argparse.Namespace) -> list[Obj]:
    verbs = [v for group in args.verb for v in group.split(",")]
    rules: list[Obj] = []
    by_group: dict[str, list[str]] = {}
    for word in (r for group in args.resource for r in group.split(",")):
        plural, _, rest = word.partition(".")
        group, _, sub = rest.partition("/")
        by_group.setdefault(group, []).append(f"{plural}/{sub}" if sub else plural)
    for group, resources in by_group.items():
        names = {"resourceNames": args.resource_name} if args.resource_name else {}
        rules.append({"apiGroups": [group], "resources": resources, **names, "verbs": verbs})
    if getattr(args, "non_resource_url", None):
        rules.append({"nonResourceURLs": args.non_resource_url, "verbs": verbs})
    return rules


def _role(args: argparse.Namespace) -> Obj:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": _meta(args.name),
        "rules": _rule(args),
    }


def _cluster_role(args: argparse.Namespace) -> Obj:
    return {**_role(args), "kind": "ClusterRole"}


def _subjects(args: argparse.Namespace) -> list[Obj]:
    api = {"apiGroup": "rbac.authorization.k8s.io"}
    found: list[Obj] = [{**api, "kind": "User", "name": u} for u in args.user_name]
    found += [{**api, "kind": "Group", "name": g} for g in args.group]
    for account in args.serviceaccount:
        namespace, colon, name = account.partition(":")
        if not colon:
            raise CommandError("serviceaccount must be <namespace>:<name>")
        found.append({"kind": "ServiceAccount", "name": name, "namespace": namespace})
    return found


def _binding(args: argparse.Namespace) -> Obj:
    kind, name = ("ClusterRole", args.clusterrole) if args.clusterrole else ("Role", args.role)
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name}
    base = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": _meta(args.name)}
    return {**base, "roleRef": reference, "subjects": _subjects(args)}


def _cluster_binding(args: argparse.Namespace) -> Obj:
    args.role = ""
    return {**_binding(args), "kind": "ClusterRoleBinding"}


SUBJECTS = (
    ("--clusterrole", TEXT),
    ("--user", {**MANY, "dest": "user_name"}),
    ("--group", MANY),
    ("--serviceaccount", MANY),
)
RULES = (("--verb", {**MANY, "required": True}), ("--resource", MANY), ("--resource-name", MANY))


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
    return {"apiVersion": "v1", "kind": "Service", "metadata": _meta(args.name, app=args.name), "spec": spec}


def _token_arguments(parser: Parser) -> None:
    parser.add_argument("name")
    parser.add_argument("--duration", default="")
    parser.add_argument("--audience", action="append", default=[])
    parser.add_argument("--bound-object-kind", default="")
    parser.add_argument("--bound-object-name", default="")
    parser.add_argument("--bound-object-uid", default="")


async def _token(session: Session, args: argparse.Namespace) -> Obj | None:
    from kubectl.waiting import duration

    spec: Obj = {"audiences": args.audience}
    if args.duration:
        spec["expirationSeconds"] = int(duration(args.duration))
    if args.bound_object_kind:
        spec["boundObjectRef"] = {"kind": args.bound_object_kind, "apiVersion": "v1", "name": args.bound_object_name}
        if args.bound_object_uid:
            spec["boundObjectRef"]["uid"] = args.bound_object_uid
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
    answer = await session.client.create(
        SERVICEACCOUNTS, request, session.namespace, name=args.name, subresource="token"
    )
    session.say(answer["status"]["token"])
    return None


def _quota(args: argparse.Namespace) -> Obj:
    hard = dict(part.split("=", 1) for part in args.hard.split(",") if part)
    return {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": _meta(args.name), "spec": {"hard": hard}}


def _budget(args: argparse.Namespace) -> Obj:
    spec: Obj = {"selector": {"matchLabels": dict(p.split("=", 1) for p in args.selector.split(",") if p)}}
    for name, value in (("minAvailable", args.min_available), ("maxUnavailable", args.max_unavailable)):
        if value:
            spec[name] = int(value) if value.isdigit() else value
    return {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": _meta(args.name), "spec": spec}


def _simple(version: str, kind: str) -> Callable[[argparse.Namespace], Obj]:
    return lambda args: {"apiVersion": version, "kind": kind, "metadata": _meta(args.name)}


IMAGE: dict[str, Any] = {"required": True}
ALL: dict[str, Generator] = {
    "namespace": Generator(help="a namespace", arguments=_named(), make=_pure(_simple("v1", "Namespace")), aliases=("ns",)),
    "configmap": Generator(help="a config map", arguments=_named(*SOURCES), make=_pure(_configmap), aliases=("cm",)),
    "secret": Generator(help="a secret", arguments=_secret_arguments, make=_pure(_secret_of)),
    "deployment": Generator(
        help="a deployment",
        arguments=_named(
            ("--image", {**MANY, **IMAGE}), ("--replicas", {"type": int, "default": 1}), ("--port", {"type": int, "default": 0})
        ),
        make=_pure(_deployment), aliases=("deploy",),
    ),
    "job": Generator(
        help="a job",
        arguments=_named(("--image", TEXT), ("--from", {**TEXT, "dest": "from_"}), ("--restart", TEXT)), make=_job,
    ),
    "cronjob": Generator(
        help="a cron job",
        arguments=_named(("--image", IMAGE), ("--schedule", {"required": True}), ("--restart", TEXT)),
        make=_pure(_cronjob), aliases=("cj",),
    ),
    "service": Generator(help="a service", arguments=_service_arguments, make=_pure(_service), aliases=("svc",)),
    "serviceaccount": Generator(
        help="a service account", arguments=_named(), make=_pure(_simple("v1", "ServiceAccount")), aliases=("sa",)
    ),
    "token": Generator(help="a service account's token", arguments=_token_arguments, make=_token),
    "role": Generator(help="a role", arguments=_named(*RULES), make=_pure(_role)),
    "clusterrole": Generator(
        help="a cluster role", arguments=_named(*RULES, ("--non-resource-url", MANY)), make=_pure(_cluster_role)
    ),
    "rolebinding": Generator(
        help="a role binding", arguments=_named(("--role", TEXT), *SUBJECTS), make=_pure(_binding)
    ),
    "clusterrolebinding": Generator(
        help="a cluster role binding", arguments=_named(*SUBJECTS), make=_pure(_cluster_binding)
    ),
    "quota": Generator(help="a resource quota", arguments=_named(("--hard", TEXT)), make=_pure(_quota)),
    "poddisruptionbudget": Generator(
        help="a pod disruption budget",
        arguments=_named(("--selector", {"required": True}), ("--min-available", TEXT), ("--max-unavailable", TEXT)),
        make=_pure(_budget), aliases=("pdb",),
    ),
}  # fmt: skip
