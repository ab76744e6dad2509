"""From words on the command line to objects on the server: `pods web`, `deploy/web svc/db`, `-f file`, `-l app=web`."""

from __future__ import annotations

import argparse
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kubectl import manifests
from kubectl.discovery import Found
from kubectl.errors import CommandError, sentence
from kubectl.session import Session
from pocketkube.api.meta.errors import StatusError
from pocketkube.api.meta.selectors import parse_label_selector
from pocketkube.client.resources import Resource

Obj = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Target:
    """One named object, or with an empty name a whole collection."""

    found: Found
    namespace: str
    name: str
    manifest: Obj | None = None
    source: str = ""  # the file that the manifest is from

    @property
    def resource(self) -> Resource:
        return self.found.resource

    @property
    def label(self) -> str:
        """`deployment.apps/web`."""
        r = self.resource
        kind = self.found.singular
        return f"{kind}.{r.group}/{self.name}" if r.group else f"{kind}/{self.name}"

    def deleted(self, word: str = "deleted") -> str:
        """`pod "web" deleted from default namespace`."""
        scope = f" from {self.namespace} namespace" if self.namespace else ""
        return f'{self.label.rpartition("/")[0]} "{self.name}" {word}{scope}'


def scope(session: Session, found: Found, *, everywhere: bool = False) -> str:
    return "" if everywhere or not found.resource.namespaced else session.namespace


async def targets(session: Session, words: list[str], args: argparse.Namespace | None = None) -> list[Target]:
    """Named targets; a type alone stands for its collection. Raises CommandError for words that cannot be."""
    everywhere = bool(getattr(args, "all_namespaces", False))
    files = getattr(args, "filename", None) or []
    folder = getattr(args, "kustomize", "")
    if files and folder:
        raise CommandError("only one of -f or -k can be specified")
    if folder:
        from kubectl import kustomizing

        objects = [(folder, obj) for obj in kustomizing.build(Path(folder), session.warn)]
    elif files:
        objects = manifests.read(files, recursive=getattr(args, "recursive", False))
    if files or folder:
        wanted = parse_label_selector(getattr(args, "selector", "") or "")
        objects = [o for o in objects if wanted.matches((o[1].get("metadata") or {}).get("labels") or {})]
        if not objects:
            raise CommandError("no objects passed to apply")
        return [await of_manifest(session, obj, source) for source, obj in objects]
    if not words:
        raise CommandError(
            'You must specify the type of resource to get. Use "kubectl api-resources" for a complete list.'
        )
    if any("/" in w for w in words):
        return [await _slashed(session, w) for w in words]
    types, names = await session.discovery.expand(words[0]), words[1:]
    if names and len(types) > 1:
        return [Target(f, scope(session, f), n) for f in types for n in names]
    if names:
        return [Target(types[0], scope(session, types[0]), n) for n in names]
    return [Target(f, scope(session, f, everywhere=everywhere), "") for f in types]


async def _slashed(session: Session, word: str) -> Target:
    kind, _, name = word.partition("/")
    if not kind or not name or "/" in name:
        raise CommandError(f'arguments in resource/name form must have a single resource and name, not "{word}"')
    found = await session.discovery.find(kind)
    return Target(found, scope(session, found), name)


async def of_manifest(session: Session, obj: Obj, source: str = "") -> Target:
    found = await session.discovery.of_object(obj)
    meta = obj.setdefault("metadata", {})
    namespace = ""
    if found.resource.namespaced:
        namespace = meta.get("namespace") or session.namespace
        if session.args.namespace and meta.get("namespace") not in (None, session.args.namespace):
            raise CommandError(
                f'the namespace from the provided object "{meta["namespace"]}" does not match the namespace '
                f"\"{session.args.namespace}\". You must pass '--namespace={meta['namespace']}' to perform this operation."
            )
        meta["namespace"] = namespace
    return Target(found, namespace, meta.get("name", ""), obj, source)


async def each(
    session: Session, found: Iterable[Target], act: Callable[[Target], Awaitable[None]], *, doing: str
) -> int:
    """Act on every target, though some are refused: those are told of, and make the exit code 1."""
    code = 0
    for target in found:
        try:
            await act(target)
        except StatusError as error:
            session.warn(sentence(error, while_=f'error when {doing} "{target.source}"' if target.source else ""))
            code = 1
    return code


async def objects(session: Session, words: list[str], args: argparse.Namespace) -> list[tuple[Target, Obj]]:
    """Every object that is meant, read from the server; collections are listed by the selectors in `args`."""
    out: list[tuple[Target, Obj]] = []
    for target in await targets(session, words, args):
        if target.name:
            obj = await session.client.get(target.resource, target.name, target.namespace)
            out.append((target, obj))
            continue
        listed = await session.client.items(target.resource, target.namespace, **selectors(args))
        for obj in listed:
            meta = obj["metadata"]
            out.append((Target(target.found, meta.get("namespace", ""), meta["name"]), obj))
    return out


def selectors(args: argparse.Namespace) -> dict[str, Any]:
    return {
        "labelSelector": getattr(args, "selector", "") or "",
        "fieldSelector": getattr(args, "field_selector", "") or "",
    }
