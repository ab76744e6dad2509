"""Transformers of names and numbers: namespace, prefix and suffix, replicas, images."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kubectl.errors import CommandError
from kubectl.kustomizing.item import Item

Obj = dict[str, Any]

UNRENAMED = ("CustomResourceDefinition", "APIService", "Namespace")
SCALED = ("Deployment", "ReplicaSet", "ReplicationController", "StatefulSet")


def namespace(items: list[Item], said: Obj, folder: Path) -> None:
    """Moves all that lives in namespaces, and the subjects of bindings that are a namespace's default account."""
    wanted = said.get("namespace")
    if not wanted:
        return
    for item in items:
        if item.kind == "Namespace" and not item.group:
            item.rename(wanted)
        elif is_namespaced(item):
            item.move(wanted)
        if item.kind in ("RoleBinding", "ClusterRoleBinding"):
            for subject in item.obj.get("subjects") or ():
                if subject.get("kind") == "ServiceAccount" and subject.get("name") == "default":
                    subject["namespace"] = wanted


def is_namespaced(item: Item) -> bool:
    """Of a kind that nobody knows, yes."""
    from pocketkube.api.scheme import builtin

    scheme = builtin()
    found = scheme.by_gvk(item.group, item.version, item.kind)
    if found is None:
        found = next((k for k in scheme.kinds() if k.kind == item.kind and k.group == item.group), None)
    return found.namespaced if found else True


def names(items: list[Item], said: Obj, folder: Path) -> None:
    prefix, suffix = said.get("namePrefix") or "", said.get("nameSuffix") or ""
    if not prefix and not suffix:
        return
    for item in items:
        if item.kind not in UNRENAMED:
            item.rename(f"{prefix}{item.name}{suffix}")


def replicas(items: list[Item], said: Obj, folder: Path) -> None:
    for about in said.get("replicas") or ():
        found = [i for i in items if i.kind in SCALED and i.is_named(about["name"])]
        if not found:
            kinds = " ".join(f"{kind}.v1.apps" for kind in SCALED)
            raise CommandError(
                f"resource with name {about['name']} does not match a config with the following GVK [{kinds}]"
            )
        for item in found:
            item.obj.setdefault("spec", {})["replicas"] = about.get("count", 0)


def images(items: list[Item], said: Obj, folder: Path) -> None:
    for about in said.get("images") or ():
        for item in items:
            for container in containers(item.obj):
                if isinstance(container.get("image"), str):
                    container["image"] = _image(container["image"], about)


def containers(value: Any) -> Iterator[Obj]:
    """Every container at any depth, in custom kinds too."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if name in ("containers", "initContainers") and isinstance(inner, list):
                yield from (c for c in inner if isinstance(c, dict))
            else:
                yield from containers(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from containers(inner)


def _image(image: str, about: Obj) -> str:
    name, tag, digest = _parts(image)
    if name != about.get("name"):
        return image
    name = about.get("newName") or name
    if about.get("newTag") is not None and about.get("newTag") != "":
        tag, digest = str(about["newTag"]), ""
    if about.get("tagSuffix") and not digest:
        tag = f"{tag}{about['tagSuffix']}"
    if about.get("digest"):
        digest, tag = about["digest"], tag if about.get("newTag") else ""
    return name + (f":{tag}" if tag else "") + (f"@{digest}" if digest else "")


def _parts(image: str) -> tuple[str, str, str]:
    """(name, tag, digest) of `registry:5000/a/b:tag@sha256:...`."""
    rest, _, digest = image.partition("@")
    head, slash, last = rest.rpartition("/")
    name, _, tag = last.partition(":")
    return f"{head}{slash}{name}", tag, digest
