"""What a command is, and the flags that several share. A file in commands/ exports COMMAND."""

from __future__ import annotations

import argparse
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from kubectl.session import Session

Parser = argparse.ArgumentParser


@dataclass(frozen=True, kw_only=True)
class Command:
    """`run` returns the exit code. A command with `subcommands` has its own run only if `run` is set."""

    help: str
    run: Callable[[Session, argparse.Namespace], Awaitable[int]] | None = None
    arguments: Callable[[Parser], None] = lambda parser: None
    aliases: tuple[str, ...] = ()
    subcommands: dict[str, Command] = field(default_factory=dict)
    offline: bool = False  # needs no server


def add_output(parser: Parser, *, table: bool = False) -> None:
    parser.add_argument("-o", "--output", default="", help="json|yaml|name|wide|jsonpath=...|custom-columns=...")
    parser.add_argument(
        "--template", default="", help="a template, or its file, for -o go-template or go-template-file"
    )
    parser.add_argument(
        "--allow-missing-template-keys", nargs="?", const="true", default="true", help=argparse.SUPPRESS
    )
    parser.add_argument("--show-managed-fields", action="store_true")
    if table:
        parser.add_argument("--no-headers", action="store_true")
        parser.add_argument("--show-labels", action="store_true")
        parser.add_argument("-L", "--label-columns", action="append", default=[])
        parser.add_argument("--sort-by", default="")


def add_selectors(parser: Parser) -> None:
    parser.add_argument("-l", "--selector", default="")
    parser.add_argument("--field-selector", default="")
    parser.add_argument("-A", "--all-namespaces", action="store_true")


def add_files(parser: Parser) -> None:
    parser.add_argument("-f", "--filename", action="append", default=[], help="file, folder, URL or - (standard input)")
    parser.add_argument("-R", "--recursive", action="store_true")
    parser.add_argument("-k", "--kustomize", default="", metavar="FOLDER", help="a kustomization to build")


def add_write(parser: Parser, *, manager: str = "kubectl") -> None:
    parser.add_argument(
        "--dry-run", nargs="?", const="unchanged", default="none", choices=("none", "client", "server", "unchanged")
    )
    parser.add_argument("--field-manager", default=manager)
    parser.add_argument("--validate", nargs="?", const="strict", default="strict")


def write_params(args: argparse.Namespace) -> dict[str, str]:
    """Query parameters of a write, from the shared flags."""
    validation = {"true": "Strict", "strict": "Strict", "warn": "Warn", "false": "Ignore", "ignore": "Ignore"}
    params = {"fieldManager": args.field_manager}
    if hasattr(args, "validate"):
        params["fieldValidation"] = validation.get(str(args.validate).lower(), "Strict")
    if args.dry_run == "server":
        params["dryRun"] = "All"
    return params


def suffix(args: argparse.Namespace) -> str:
    """What a message ends with in a dry run."""
    return {"client": " (dry run)", "server": " (server dry run)"}.get(getattr(args, "dry_run", "none"), "")
