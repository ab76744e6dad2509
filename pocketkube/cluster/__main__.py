"""`./pk VERB`: start, look at and stop clusters. Loads only the verb that was asked for."""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import sys

from pocketkube.cluster import verbs
from pocketkube.cluster.errors import ClusterError
from pocketkube.cluster.verbs import Verb

HELP = """usage: pk VERB [--name NAME] [FLAGS]

Kubernetes on this machine, in seconds.

{verbs}

`pk VERB --help` explains one."""

ORDER = (
    "up",
    "status",
    "kubeconfig",
    "kubectl",
    "build",
    "load",
    "logs",
    "stop",
    "start",
    "down",
    "token",
    "join",
    "leave",
    "snapshot",
    "test",
)


def names() -> list[str]:
    found = [m.name for m in pkgutil.iter_modules(verbs.__path__)]
    return sorted(found, key=lambda n: (ORDER.index(n) if n in ORDER else len(ORDER), n))


def load(name: str) -> Verb:
    verb: Verb = importlib.import_module(f"pocketkube.cluster.verbs.{name}").VERB
    return verb


def main(argv: list[str] | None = None) -> int:
    arguments = sys.argv[1:] if argv is None else argv
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(HELP.format(verbs="\n".join(f"  {name:12} {load(name).help}" for name in names())))
        return 0
    name, *rest = arguments
    if name not in names():
        print(f"pk: there is no verb {name!r}; ./pk --help lists them", file=sys.stderr)
        return 2
    verb = load(name)
    parser = argparse.ArgumentParser(
        prog=f"pk {name}", description=verb.help, add_help=not verb.passes_rest, allow_abbrev=False
    )
    parser.add_argument("--name", default="default", help="which cluster (default: default)")
    verb.arguments(parser)
    parsed = _parse_leading(parser, rest) if verb.passes_rest else parser.parse_args(rest)
    try:
        return verb.run(parsed)
    except ClusterError as error:
        print(f"pk {name}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"\npk {name}: interrupted", file=sys.stderr)
        return 130


def _parse_leading(parser: argparse.ArgumentParser, words: list[str]) -> argparse.Namespace:
    """Only a leading `--name NAME` is ours; the rest goes through untouched, as `rest`."""
    ours = 2 if words[:1] == ["--name"] else 0
    parsed = parser.parse_args(words[:ours])
    parsed.rest = words[ours:]
    return parsed


if __name__ == "__main__":
    sys.exit(main())
