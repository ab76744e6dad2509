"""`kubectl config`: look at and change kubeconfig files."""

from __future__ import annotations

import argparse
import base64
import os
from pathlib import Path
from typing import Any

import yaml

from kubectl import printers
from kubectl.command import Command, Parser
from kubectl.errors import CommandError
from kubectl.session import Session

Obj = dict[str, Any]

HIDDEN = {"certificate-authority-data", "client-certificate-data", "client-key-data", "token", "password"}


def _path(session: Session) -> Path:
    """The file that changes go to."""
    named = session.args.kubeconfig or os.environ.get("KUBECONFIG", "").split(os.pathsep)[0]
    return Path(named) if named else Path.home() / ".kube" / "config"


def _read(session: Session) -> Obj:
    path = _path(session)
    found = yaml.safe_load(path.read_text()) if path.exists() else None
    return found or {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [],
        "users": [],
        "contexts": [],
        "current-context": "",
    }


def _write(session: Session, config: Obj) -> None:
    path = _path(session)
    path.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        yaml.safe_dump(config, file, sort_keys=False)


def _named(config: Obj, part: str, name: str) -> Obj:
    """The entry of a part, made if it is missing."""
    entries: list[Obj] = config.setdefault(f"{part}s", [])
    for entry in entries:
        if entry["name"] == name:
            inner: Obj = entry.setdefault(part, {})
            return inner
    entries.append({"name": name, part: {}})
    made: Obj = entries[-1][part]
    return made


def _redacted(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            k: ("DATA+OMITTED" if k.endswith("-data") else "REDACTED") if k in HIDDEN else _redacted(v)
            for k, v in value.items()
        }
    return [_redacted(v) for v in value] if isinstance(value, list) else value


def _minified(config: Obj, context_name: str) -> Obj:
    contexts = [c for c in config["contexts"] if c["name"] == context_name]
    if not contexts:
        raise CommandError("current-context must exist in order to minify")
    about = contexts[0]["context"]
    return {
        **config, "contexts": contexts, "current-context": context_name,
        "clusters": [c for c in config["clusters"] if c["name"] == about.get("cluster")],
        "users": [u for u in config["users"] if u["name"] == about.get("user")],
    }  # fmt: skip


def _view_arguments(parser: Parser) -> None:
    parser.add_argument("-o", "--output", default="yaml")
    parser.add_argument("--raw", action="store_true")
    parser.add_argument("--minify", action="store_true")
    parser.add_argument("--flatten", action="store_true")


async def _view(session: Session, args: argparse.Namespace) -> int:
    config = _read(session)
    if args.minify:
        config = _minified(config, args.context or config.get("current-context", ""))
    if args.flatten:
        _flatten(config)
    shown = config if args.raw else _redacted(config)
    session.out.write(printers.printer(args.output)(shown))
    return 0


def _flatten(config: Obj) -> None:
    for part, fields in (("cluster", ("certificate-authority",)), ("user", ("client-certificate", "client-key"))):
        for entry in config.get(f"{part}s") or ():
            inner = entry.get(part) or {}
            for field in fields:
                if inner.get(field):
                    inner[f"{field}-data"] = base64.b64encode(Path(inner.pop(field)).read_bytes()).decode()


async def _current(session: Session, args: argparse.Namespace) -> int:
    name = _read(session).get("current-context")
    if not name:
        raise CommandError("current-context is not set")
    session.say(name)
    return 0


async def _use(session: Session, args: argparse.Namespace) -> int:
    config = _read(session)
    if args.name not in [c["name"] for c in config.get("contexts") or ()]:
        raise CommandError(f'no context exists with the name: "{args.name}"')
    _write(session, {**config, "current-context": args.name})
    session.say(f'Switched to context "{args.name}".')
    return 0


def _one_name(parser: Parser) -> None:
    parser.add_argument("name")


def _contexts_arguments(parser: Parser) -> None:
    parser.add_argument("name", nargs="?", default="")
    parser.add_argument("-o", "--output", default="")
    parser.add_argument("--no-headers", action="store_true")


async def _contexts(session: Session, args: argparse.Namespace) -> int:
    config = _read(session)
    rows = [] if args.no_headers else [["CURRENT", "NAME", "CLUSTER", "AUTHINFO", "NAMESPACE"]]
    for entry in sorted(config.get("contexts") or (), key=lambda c: c["name"]):
        if args.name and entry["name"] != args.name:
            continue
        if args.output == "name":
            session.say(entry["name"])
            continue
        about = entry["context"]
        mark = "*" if entry["name"] == config.get("current-context") else ""
        rows.append([mark, entry["name"], about.get("cluster", ""), about.get("user", ""), about.get("namespace", "")])
    if args.output != "name":
        session.out.write(printers.align(rows))
    return 0


def _lister(part: str) -> Any:
    async def run(session: Session, args: argparse.Namespace) -> int:
        session.say("NAME")
        for entry in _read(session).get(f"{part}s") or ():
            session.say(entry["name"])
        return 0

    return run


def _set_context_arguments(parser: Parser) -> None:
    parser.add_argument("name", nargs="?", default="")
    parser.add_argument("--current", action="store_true")
    parser.add_argument("--cluster", dest="set_cluster", default="")
    parser.add_argument("--user", dest="set_user", default="")


async def _set_context(session: Session, args: argparse.Namespace) -> int:
    config = _read(session)
    name = config.get("current-context", "") if args.current else args.name
    known = name in [c["name"] for c in config.get("contexts") or ()]
    about = _named(config, "context", name)
    for field, value in (("cluster", args.set_cluster), ("user", args.set_user), ("namespace", args.namespace)):
        if value:
            about[field] = value
    _write(session, config)
    session.say(f'Context "{name}" {"modified" if known else "created"}.')
    return 0


def _set_cluster_arguments(parser: Parser) -> None:
    parser.add_argument("name")
    parser.add_argument("--embed-certs", nargs="?", const="true", default="false")


async def _set_cluster(session: Session, args: argparse.Namespace) -> int:
    config = _read(session)
    about = _named(config, "cluster", args.name)
    if args.server:
        about["server"] = args.server
    if args.insecure_skip_tls_verify:
        about["insecure-skip-tls-verify"] = True
    if args.certificate_authority:
        _certificate(about, "certificate-authority", args.certificate_authority, embed=args.embed_certs == "true")
    _write(session, config)
    session.say(f'Cluster "{args.name}" set.')
    return 0


def _certificate(about: Obj, field: str, path: str, *, embed: bool) -> None:
    if embed:
        about[f"{field}-data"] = base64.b64encode(Path(path).read_bytes()).decode()
    else:
        about[field] = str(Path(path).absolute())


def _set_credentials_arguments(parser: Parser) -> None:
    parser.add_argument("name")
    parser.add_argument("--client-certificate", default="")
    parser.add_argument("--client-key", default="")
    parser.add_argument("--embed-certs", nargs="?", const="true", default="false")


async def _set_credentials(session: Session, args: argparse.Namespace) -> int:
    config = _read(session)
    about = _named(config, "user", args.name)
    if args.token:
        about["token"] = args.token
    for field, path in (("client-certificate", args.client_certificate), ("client-key", args.client_key)):
        if path:
            _certificate(about, field, path, embed=args.embed_certs == "true")
    _write(session, config)
    session.say(f'User "{args.name}" set.')
    return 0


def _deleter(part: str) -> Any:
    async def run(session: Session, args: argparse.Namespace) -> int:
        config = _read(session)
        kept = [e for e in config.get(f"{part}s") or () if e["name"] != args.name]
        if len(kept) == len(config.get(f"{part}s") or ()):
            raise CommandError(f"cannot delete {part} {args.name}, not in {_path(session)}")
        _write(session, {**config, f"{part}s": kept})
        session.say(f"deleted {part} {args.name} from {_path(session)}")
        return 0

    return run


def _sub(help_: str, run: Any, arguments: Any = lambda parser: None) -> Command:
    return Command(help=help_, run=run, arguments=arguments, offline=True)


COMMAND = Command(
    help="Modify kubeconfig files",
    subcommands={
        "view": _sub("display merged kubeconfig settings", _view, _view_arguments),
        "current-context": _sub("display the current context", _current),
        "use-context": _sub("set the current context", _use, _one_name),
        "get-contexts": _sub("describe contexts", _contexts, _contexts_arguments),
        "get-clusters": _sub("display clusters", _lister("cluster")),
        "get-users": _sub("display users", _lister("user")),
        "set-context": _sub("set a context entry", _set_context, _set_context_arguments),
        "set-cluster": _sub("set a cluster entry", _set_cluster, _set_cluster_arguments),
        "set-credentials": _sub("set a user entry", _set_credentials, _set_credentials_arguments),
        "delete-context": _sub("delete a context", _deleter("context"), _one_name),
        "delete-cluster": _sub("delete a cluster", _deleter("cluster"), _one_name),
        "delete-user": _sub("delete a user", _deleter("user"), _one_name),
    },
)
