"""What `debug` makes: a container to add to a pod, a changed copy of a pod, a pod that sees a node. Pure."""

from __future__ import annotations

import argparse
import copy
from typing import Any

from kubectl.errors import CommandError
from pocketkube.api.meta.names import generate_name

Obj = dict[str, Any]

_PROFILES: dict[str, Obj] = {
    "general": {"capabilities": {"add": ["SYS_PTRACE"]}},
    "netadmin": {"capabilities": {"add": ["NET_ADMIN", "NET_RAW"]}},
    "sysadmin": {"privileged": True},
    "restricted": {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    },
}


def _container(args: argparse.Namespace, name: str) -> Obj:
    made: Obj = {"name": name, "image": args.image, "terminationMessagePolicy": "File"}
    made |= {member: True for member in ("stdin", "tty") if getattr(args, member)}
    if args.image_pull_policy:
        made["imagePullPolicy"] = args.image_pull_policy
    if args.tail:
        made["args" if args.arguments_only else "command"] = args.tail
    if args.env:
        made["env"] = [{"name": k, "value": v} for k, _, v in (e.partition("=") for e in args.env)]
    return made


def _with_profile(args: argparse.Namespace, container: Obj) -> Obj:
    said = _PROFILES.get(args.profile)
    return {**container, "securityContext": copy.deepcopy(said)} if said else container


def _free_name(pod: Obj) -> str:
    members = ("containers", "initContainers", "ephemeralContainers")
    taken = {c["name"] for m in members for c in pod["spec"].get(m) or ()}
    name = generate_name("debugger-")
    while name in taken:
        name = generate_name("debugger-")
    return name


def ephemeral(args: argparse.Namespace, pod: Obj) -> Obj:
    """An ephemeral container for a pod. Raises CommandError for a name that is taken."""
    members = ("containers", "initContainers", "ephemeralContainers")
    if args.container in {c["name"] for m in members for c in pod["spec"].get(m) or ()}:
        raise CommandError(f"container {args.container!r} is there already: choose another name with --container")
    made = _with_profile(args, _container(args, args.container or _free_name(pod)))
    return {**made, "targetContainerName": args.target} if args.target else made


def copy_of(args: argparse.Namespace, pod: Obj) -> tuple[Obj, str]:
    """(copy, name of the container that was added or changed, "" for none). Raises CommandError for names that do not exist."""
    spec = copy.deepcopy({k: v for k, v in pod["spec"].items() if k not in ("ephemeralContainers", "priority")})
    if not args.same_node:
        spec.pop("nodeName", None)
    kept = dict(pod["metadata"].get("annotations") or {})
    meta: Obj = {"name": args.copy_to, "namespace": pod["metadata"]["namespace"]}
    if kept:
        meta["annotations"] = kept
    images = dict(text.partition("=")[::2] for text in args.set_image)
    for container in spec["containers"]:
        container["image"] = images.get(container["name"], images.get("*", container["image"]))
    unknown = images.keys() - {c["name"] for c in spec["containers"]} - {"*"}
    if unknown:
        raise CommandError(f'unable to find container named "{min(unknown)}"')
    name = _changed(args, pod, spec)
    if args.share_processes == "true" and args.image:
        spec["shareProcessNamespace"] = True
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}, name


def _changed(args: argparse.Namespace, pod: Obj, spec: Obj) -> str:
    """A container of the copy by its name, or a new one."""
    there = next((c for c in spec["containers"] if c["name"] == args.container), None)
    if there is None and not args.image:
        if args.container:
            raise CommandError("you must specify image when creating new container")
        if args.tail:
            raise CommandError("you must specify an existing container or a new image when specifying args.")
        return ""
    if there is None:
        name = args.container or _free_name(pod)
        spec["containers"].append(_with_profile(args, _container(args, name)))
        return str(name)
    if args.image:
        there["image"] = args.image
    if args.tail:
        there["args" if args.arguments_only else "command"] = args.tail
        if not args.arguments_only:
            there.pop("args", None)
    there["stdin"], there["tty"] = args.stdin, args.tty
    return str(args.container)


def node_pod(args: argparse.Namespace, node: Obj) -> tuple[Obj, str]:
    """(pod, name of its container): in the node's own namespaces, its files below /host."""
    name = args.container or "debugger"
    container = _with_profile(args, _container(args, name))
    container["volumeMounts"] = [{"name": "host-root", "mountPath": "/host"}]
    shared = args.profile != "restricted"
    spec = {
        "containers": [container], "nodeName": node["metadata"]["name"], "restartPolicy": "Never",
        "hostIPC": shared, "hostNetwork": shared, "hostPID": shared, "tolerations": [{"operator": "Exists"}],
        "volumes": [{"name": "host-root", "hostPath": {"path": "/"}}],
    }  # fmt: skip
    meta = {
        "name": generate_name(f"node-debugger-{node['metadata']['name']}-"),
        "labels": {"app.kubernetes.io/managed-by": "kubectl-debug"},
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}, name
