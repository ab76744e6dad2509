"""Who may do what: service accounts and their tokens, roles and bindings."""

from __future__ import annotations

import argparse
from typing import Any

from kubectl.errors import CommandError
from kubectl.generators.generator import MANY, TEXT, Generator, Parser, bare, meta, named, pure
from kubectl.session import Session
from kubectl.waiting import duration
from pocketkube.client.resources import SERVICEACCOUNTS

Obj = dict[str, Any]


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
        "metadata": meta(args.name),
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
    base = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": meta(args.name)}
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


def _token_arguments(parser: Parser) -> None:
    parser.add_argument("name")
    parser.add_argument("--duration", default="")
    parser.add_argument("--audience", action="append", default=[])
    parser.add_argument("--bound-object-kind", default="")
    parser.add_argument("--bound-object-name", default="")
    parser.add_argument("--bound-object-uid", default="")


async def _token(session: Session, args: argparse.Namespace) -> Obj | None:
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


GENERATORS: dict[str, Generator] = {
    "serviceaccount": Generator(
        help="a service account", arguments=named(), make=pure(bare("v1", "ServiceAccount")), aliases=("sa",)
    ),
    "token": Generator(help="a service account's token", arguments=_token_arguments, make=_token),
    "role": Generator(help="a role", arguments=named(*RULES), make=pure(_role)),
    "clusterrole": Generator(
        help="a cluster role", arguments=named(*RULES, ("--non-resource-url", MANY)), make=pure(_cluster_role)
    ),
    "rolebinding": Generator(
        help="a role binding", arguments=named(("--role", TEXT), *SUBJECTS), make=pure(_binding)
    ),
    "clusterrolebinding": Generator(
        help="a cluster role binding", arguments=named(*SUBJECTS), make=pure(_cluster_binding)
    ),
}  # fmt: skip
