"""`kubectl` for any Kubernetes API server: parses the global flags, finds the command, prints what went wrong in one line."""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import sys
from typing import Any

import httpx

from kubectl import commands, plugins
from kubectl.command import Command
from kubectl.errors import CommandError, UsageError, sentence
from kubectl.session import Session
from pocketkube.api.meta.errors import StatusError
from pocketkube.client.config import ConfigError

GROUPS = {
    "Basic": ("create", "expose", "run", "set", "explain", "get", "edit", "delete"),
    "Deploy": ("rollout", "scale", "autoscale"),
    "Cluster": ("certificate", "cluster-info", "top", "cordon", "uncordon", "drain", "taint"),
    "Troubleshooting": ("describe", "logs", "attach", "exec", "port-forward", "proxy", "cp", "auth", "debug", "events"),
    "Advanced": ("diff", "apply", "patch", "replace", "wait", "kustomize"),
    "Settings": ("label", "annotate", "completion"),
}


class Parser(argparse.ArgumentParser):
    """A command's own flag wins over a global one of the same name, as `--user` of `config set-context`."""

    def __init__(self, **options: Any):
        super().__init__(**{"conflict_handler": "resolve", **options})

    def error(self, message: str) -> None:  # type: ignore[override]  # argparse would exit with its own form
        unknown = re.match(r"unrecognized arguments: (-[^\s=]+)", message)
        missing = re.match(r"the following arguments are required: --([^\s,/]+)", message)
        if unknown and not unknown[1].startswith("--"):
            flag = unknown[1].lstrip("-")
            raise UsageError(f"unknown shorthand flag: '{flag[0]}' in -{flag}", self.prog)
        if unknown:
            raise UsageError(f"unknown flag: {unknown[1]}", self.prog)
        if missing:
            raise UsageError(f'required flag(s) "{missing[1]}" not set', "")
        raise UsageError(message, self.prog)


def global_flags(parser: argparse.ArgumentParser) -> None:
    """May stand before or behind the command's name: suppressed defaults, so that neither place hides the other."""
    add = parser.add_argument
    add("-n", "--namespace", default=argparse.SUPPRESS)
    add("--kubeconfig", default=argparse.SUPPRESS)
    add("--context", default=argparse.SUPPRESS)
    add("--cluster", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
    add("--user", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
    add("-s", "--server", default=argparse.SUPPRESS)
    add("--token", default=argparse.SUPPRESS)
    add("--as", dest="as_user", default=argparse.SUPPRESS)
    add("--as-group", action="append", default=argparse.SUPPRESS)
    add("--certificate-authority", default=argparse.SUPPRESS)
    add("--insecure-skip-tls-verify", action="store_true", default=argparse.SUPPRESS)
    add("--request-timeout", default=argparse.SUPPRESS)
    add("-v", "--v", dest="verbosity", type=int, default=argparse.SUPPRESS)


DEFAULTS = {
    "namespace": "", "kubeconfig": "", "context": "", "server": "", "token": "", "as_user": "", "as_group": [],
    "certificate_authority": "", "insecure_skip_tls_verify": False, "request_timeout": "", "verbosity": 0,
}  # fmt: skip


def build_parser(name: str, command: Command) -> Parser:
    parser = Parser(prog=f"kubectl {name}", description=command.help, allow_abbrev=False)
    global_flags(parser)
    if command.subcommands:
        choices = parser.add_subparsers(dest="subcommand", required=command.run is None)
        for sub, about in command.subcommands.items():
            nested = choices.add_parser(sub, help=about.help, aliases=list(about.aliases), allow_abbrev=False)
            global_flags(nested)
            about.arguments(nested)
            nested.set_defaults(chosen=about)
    command.arguments(parser)
    return parser


def main(argv: list[str] | None = None) -> int:
    words = list(sys.argv[1:] if argv is None else argv)
    leading = Parser(prog="kubectl", add_help=False, allow_abbrev=False)
    global_flags(leading)
    try:
        return _main(leading, words)
    except UsageError as error:
        hint = f"\nSee '{error.program} --help' for usage." if error.program else ""
        print(f"error: {error}{hint}", file=sys.stderr)
    except (CommandError, ConfigError) as error:
        print(f"error: {error}", file=sys.stderr)
    except StatusError as error:
        print(sentence(error), file=sys.stderr)
    except httpx.HTTPError as error:
        print(f"Unable to connect to the server: {error or type(error).__name__}", file=sys.stderr)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        return 130
    return 1


def _main(leading: Parser, words: list[str]) -> int:
    before = _leading_flags(leading, words)
    rest = words[len(words) - before[1] :]
    if not rest or rest[0] in ("-h", "--help", "help"):
        print(usage())
        return 0
    found = commands.find(rest[0])
    if found is None:
        if len(rest) < len(words):
            raise CommandError(f"flags cannot be placed before plugin name: {words[0]}")
        plugins.run(rest)
        raise CommandError(f'unknown command "{rest[0]}" for "kubectl"')
    name, command = found
    inner, tail = _split_tail(rest[1:])
    parser = build_parser(name, command)
    inner = _plain_booleans(parser, inner)
    # names may come after flags, as in `get configmap -n kube-public cluster-info`; a parser with subcommands cannot have that
    args = parser.parse_args(inner) if command.subcommands else parser.parse_intermixed_args(inner)
    values = {**DEFAULTS, **vars(before[0]), **vars(args), "tail": tail}
    if values.get("template"):
        values["output"] = f"{values['output'] or 'go-template'}={values['template']}"
    chosen: Command = values.pop("chosen", command)
    return asyncio.run(_run(chosen, argparse.Namespace(**values)))


def _leading_flags(parser: Parser, words: list[str]) -> tuple[argparse.Namespace, int]:
    """Flags before the command's name, and how many words are left."""
    index = 0
    while index < len(words) and words[index].startswith("-") and words[index] not in ("-h", "--help"):
        flag = words[index]
        takes = (
            "=" not in flag
            and flag != "--insecure-skip-tls-verify"
            and not (flag[:2] in ("-n", "-s", "-v") and len(flag) > 2)
        )
        index += 2 if takes and not (flag.startswith("--") and "=" in flag) else 1
    return parser.parse_args(words[:index]), len(words) - index


def _plain_booleans(parser: argparse.ArgumentParser, words: list[str]) -> list[str]:
    """`--flag=true` is `--flag`, and `--flag=false` nothing, where the flag takes no value."""
    options = _options(parser)
    out = []
    for word in words:
        name, sign, value = word.partition("=")
        action = options.get(name) if sign else None
        if action is None or action.nargs != 0 or value.lower() not in ("true", "false"):
            out.append(word)
        elif value.lower() == "true":
            out.append(name)
    return out


def _options(parser: argparse.ArgumentParser) -> dict[str, argparse.Action]:
    """By flag, those of subcommands too."""
    found: dict[str, argparse.Action] = {}
    for action in parser._actions:
        found |= dict.fromkeys(action.option_strings, action)
        for nested in action.choices.values() if isinstance(action, argparse._SubParsersAction) else ():
            found |= _options(nested)
    return found


def _split_tail(words: list[str]) -> tuple[list[str], list[str] | None]:
    """What stands behind `--` is a command for a container, never ours."""
    if "--" in words:
        at = words.index("--")
        return words[:at], words[at + 1 :]
    return words, None


async def _run(command: Command, args: argparse.Namespace) -> int:
    session = Session(args)
    assert command.run is not None
    try:
        return await command.run(session, args)
    finally:
        await session.close()


def usage() -> str:
    known = commands.load_all()
    shown = {name for names in GROUPS.values() for name in names}
    groups = {**GROUPS, "Other": tuple(sorted(known.keys() - shown))}
    lines = ["kubectl controls a Kubernetes cluster.", ""]
    for title, names in groups.items():
        lines += [f"{title} commands:", *(f"  {n:14} {known[n].help}" for n in names if n in known), ""]
    return "\n".join([*lines, 'Use "kubectl <command> --help" for more about a command.'])


if __name__ == "__main__":
    sys.exit(main())
