"""Config maps and secrets, from literals and files."""

from __future__ import annotations

import argparse
import base64
import json
from pathlib import Path
from typing import Any

from kubectl.errors import CommandError
from kubectl.generators.generator import MANY, Generator, Parser, meta, named, pure

Obj = dict[str, Any]


def data_from(args: argparse.Namespace) -> dict[str, bytes]:
    """Entries of --from-literal, --from-file and --from-env-file. Raises CommandError for what cannot be read."""
    data: dict[str, bytes] = {}
    for literal in args.from_literal:
        key, equals, value = literal.partition("=")
        if not equals:
            raise CommandError(f"invalid literal source {literal}, expected key=value")
        data[key] = value.encode()
    for source in args.from_file:
        key, equals, name = source.partition("=")
        path = Path(name if equals else source)
        if not path.exists():
            raise CommandError(f"error reading {path}: no such file or directory")
        files = sorted(p for p in path.iterdir() if p.is_file()) if path.is_dir() else [path]
        data.update({(key if equals else p.name): p.read_bytes() for p in files})
    for name in args.from_env_file:
        for line in Path(name).read_text().splitlines():
            if line.strip() and not line.startswith("#"):
                key, _, value = line.partition("=")
                data[key.strip()] = value.encode()
    return data


SOURCES = (
    ("--from-literal", MANY),
    ("--from-file", MANY),
    ("--from-env-file", MANY),
    ("--append-hash", {"action": "store_true"}),
)


def _configmap(args: argparse.Namespace) -> Obj:
    text: Obj = {}
    binary: Obj = {}
    for key, value in data_from(args).items():
        try:
            text[key] = value.decode()
        except UnicodeDecodeError:
            binary[key] = base64.b64encode(value).decode()
    made: Obj = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta(args.name)}
    return {**made, **({"data": text} if text else {}), **({"binaryData": binary} if binary else {})}


def _secret(type_: str, name: str, data: dict[str, bytes]) -> Obj:
    encoded = {k: base64.b64encode(v).decode() for k, v in data.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": meta(name), "type": type_, "data": encoded}


def _secret_arguments(parser: Parser) -> None:
    parser.add_argument("form", choices=("generic", "tls", "docker-registry"))
    parser.add_argument("name")
    for flag, options in SOURCES:
        parser.add_argument(flag, **options)
    for flag in (
        "--type",
        "--cert",
        "--key",
        "--docker-server",
        "--docker-username",
        "--docker-password",
        "--docker-email",
    ):
        parser.add_argument(flag, default="")


def _secret_of(args: argparse.Namespace) -> Obj:
    if args.form == "tls":
        data = {"tls.crt": Path(args.cert).read_bytes(), "tls.key": Path(args.key).read_bytes()}
        return _secret("kubernetes.io/tls", args.name, data)
    if args.form == "docker-registry":
        server = args.docker_server or "https://index.docker.io/v1/"
        token = base64.b64encode(f"{args.docker_username}:{args.docker_password}".encode()).decode()
        entry = {
            "username": args.docker_username,
            "password": args.docker_password,
            "email": args.docker_email,
            "auth": token,
        }
        data = {".dockerconfigjson": json.dumps({"auths": {server: entry}}).encode()}
        return _secret("kubernetes.io/dockerconfigjson", args.name, data)
    return _secret(args.type or "Opaque", args.name, data_from(args))


GENERATORS: dict[str, Generator] = {
    "configmap": Generator(help="a config map", arguments=named(*SOURCES), make=pure(_configmap), aliases=("cm",)),
    "secret": Generator(help="a secret", arguments=_secret_arguments, make=pure(_secret_of)),
}  # fmt: skip
