"""`pk token create|list|delete`: what other machines join with."""

from __future__ import annotations

import argparse

from pocketkube.cluster import tokens
from pocketkube.cluster.api import Api
from pocketkube.cluster.errors import ClusterError
from pocketkube.cluster.layout import Layout
from pocketkube.cluster.verbs import Verb


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=("create", "list", "delete"))
    parser.add_argument("token", nargs="?", default="", help="create: this very token; delete: its id")
    parser.add_argument("--ttl", default="24h", help="how long it is valid: 30m, 24h, 7d, 0 for ever (default: 24h)")
    parser.add_argument("--quiet", "-q", action="store_true", help="print the token alone")


def run(args: argparse.Namespace) -> int:
    layout = Layout.of(args.name)
    spec = layout.read()
    if not spec.control_plane:
        raise ClusterError(f"tokens are made where the control plane runs ({spec.server}), not on a worker")
    api = Api.of(layout, spec)
    try:
        return {"create": _create, "list": _list, "delete": _delete}[args.action](api, args, spec.internal_server)
    except OSError as error:
        raise ClusterError(f"the API server does not answer: {error}") from error


def _create(api: Api, args: argparse.Namespace, server: str) -> int:
    token = args.token or tokens.new()
    tokens.create(api, token, ttl=tokens.seconds(args.ttl))
    print(token if args.quiet else f"./pk join {server} --token {token}")
    return 0


def _list(api: Api, args: argparse.Namespace, server: str) -> int:
    print(f"{'ID':8}{'EXPIRES':22}DESCRIPTION")
    for row in tokens.listed(api):
        print(f"{row['token-id']:8}{row.get('expiration', 'never'):22}{row.get('description', '')}")
    return 0


def _delete(api: Api, args: argparse.Namespace, server: str) -> int:
    token_id = args.token.partition(".")[0]
    if not tokens.delete(api, token_id):
        raise ClusterError(f"there is no token {token_id!r}: ./pk token list shows them")
    return 0


VERB = Verb("make a token that other machines join with", run, arguments)
