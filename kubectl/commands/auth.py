"""`kubectl auth can-i VERB RESOURCE`, `kubectl auth whoami`."""

from __future__ import annotations

import argparse
from typing import Any

from kubectl import printers, reconciling
from kubectl.command import Command, Parser
from kubectl.errors import CommandError
from kubectl.session import Session
from pocketkube.client.resources import SELFSUBJECTACCESSREVIEWS, SELFSUBJECTRULESREVIEWS

Obj = dict[str, Any]

AUTHORIZATION = "authorization.k8s.io/v1"


def _can_i_arguments(parser: Parser) -> None:
    parser.add_argument("words", nargs="*", metavar="VERB TYPE[/NAME]")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("-A", "--all-namespaces", action="store_true")
    parser.add_argument("--subresource", default="")
    parser.add_argument("-q", "--quiet", action="store_true")
    parser.add_argument("--no-headers", action="store_true")


async def _can_i(session: Session, args: argparse.Namespace) -> int:
    if args.list:
        return await _list(session, args)
    if len(args.words) not in (2, 3):
        raise CommandError("you must specify two arguments: verb resource or verb resource/resourceName")
    spec = await _attributes(session, args)
    body = {"apiVersion": AUTHORIZATION, "kind": "SelfSubjectAccessReview", "spec": spec}
    status = (await session.client.create(SELFSUBJECTACCESSREVIEWS, body))["status"]
    allowed = bool(status.get("allowed"))
    if not args.quiet:
        reason = f" - {status['reason']}" if status.get("reason") and not allowed else ""
        session.say(("yes" if allowed else "no") + reason)
    return 0 if allowed else 1


async def _attributes(session: Session, args: argparse.Namespace) -> Obj:
    verb, what = args.words[:2]
    if what.startswith("/"):
        return {"nonResourceAttributes": {"verb": verb, "path": what}}
    word, _, name = what.partition("/")
    name = name or (args.words[2] if len(args.words) == 3 else "")
    attributes: Obj = {"verb": verb, "name": name, "subresource": args.subresource}
    try:
        resource = (await session.discovery.find(word)).resource
    except CommandError:
        session.warn(f"Warning: the server doesn't have a resource type '{word}'\n")
        plural, _, group = word.partition(".")
        attributes.update(group=group, resource=plural, namespace=session.namespace)
    else:
        namespace = session.namespace if resource.namespaced and not args.all_namespaces else ""
        attributes.update(group=resource.group, resource=resource.plural, namespace=namespace)
        if not resource.namespaced:
            session.warn(f"Warning: resource '{resource.plural}' is not namespace scoped in group '{resource.group}'\n")
    return {"resourceAttributes": {k: v for k, v in attributes.items() if v}}


async def _list(session: Session, args: argparse.Namespace) -> int:
    body = {"apiVersion": AUTHORIZATION, "kind": "SelfSubjectRulesReview", "spec": {"namespace": session.namespace}}
    status = (await session.client.create(SELFSUBJECTRULESREVIEWS, body))["status"]
    rows = [["Resources", "Non-Resource URLs", "Resource Names", "Verbs"]]
    for rule in status.get("resourceRules") or ():
        for group in rule.get("apiGroups") or [""]:
            for resource in rule.get("resources") or ():
                rows.append(
                    [
                        f"{resource}.{group}" if group else resource,
                        "[]",
                        _show(rule.get("resourceNames")),
                        _show(rule["verbs"]),
                    ]
                )
    for rule in status.get("nonResourceRules") or ():
        rows.append(["", _show(rule.get("nonResourceURLs")), "[]", _show(rule["verbs"])])
    session.out.write(printers.align(rows[1:] if args.no_headers else rows))
    return 0


def _show(values: list[str] | None) -> str:
    return f"[{' '.join(values or ())}]"


def _whoami_arguments(parser: Parser) -> None:
    parser.add_argument("-o", "--output", default="")


async def _whoami(session: Session, args: argparse.Namespace) -> int:
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    review = await session.client.request("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", body=body)
    if args.output:
        session.out.write(printers.printer(args.output)(review))
        return 0
    user = review["status"]["userInfo"]
    rows = [["ATTRIBUTE", "VALUE"], ["Username", user.get("username", "")]]
    if user.get("uid"):
        rows.append(["UID", user["uid"]])
    rows.append(["Groups", _show(user.get("groups"))])
    rows += [[f"Extra: {k}", _show(v)] for k, v in sorted((user.get("extra") or {}).items())]
    session.out.write(printers.align(rows))
    return 0


COMMAND = Command(
    help="Inspect authorization",
    subcommands={
        "reconcile": reconciling.COMMAND,
        "can-i": Command(help="check whether an action is allowed", run=_can_i, arguments=_can_i_arguments),
        "whoami": Command(help="show who you are to the server", run=_whoami, arguments=_whoami_arguments),
    },
)
