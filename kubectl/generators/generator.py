"""What turns the words of `kubectl create KIND` into an object, and the flags that several kinds share."""

from __future__ import annotations

import argparse
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from kubectl.session import Session

Obj = dict[str, Any]
Parser = argparse.ArgumentParser

MANY: dict[str, Any] = {"action": "append", "default": []}
TEXT: dict[str, Any] = {"default": ""}
REQUIRED: dict[str, Any] = {"required": True}


@dataclass(frozen=True, kw_only=True)
class Generator:
    """`make` returns the object to create, or None where it did its work itself."""

    help: str
    arguments: Callable[[Parser], None]
    make: Callable[[Session, argparse.Namespace], Awaitable[Obj | None]]
    aliases: tuple[str, ...] = ()


def pure(build: Callable[[argparse.Namespace], Obj]) -> Callable[[Session, argparse.Namespace], Awaitable[Obj | None]]:
    async def make(session: Session, args: argparse.Namespace) -> Obj | None:
        return build(args)

    return make


def named(*flags: tuple[str, dict[str, Any]]) -> Callable[[Parser], None]:
    def add(parser: Parser) -> None:
        parser.add_argument("name")
        for flag, options in flags:
            parser.add_argument(flag, **options)

    return add


def meta(name: str, **labels: str) -> Obj:
    return {"name": name, "labels": labels} if labels else {"name": name}


def bare(version: str, kind: str) -> Callable[[argparse.Namespace], Obj]:
    """Nothing but a name."""
    return lambda args: {"apiVersion": version, "kind": kind, "metadata": meta(args.name)}
