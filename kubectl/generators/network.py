"""Ingresses out of rules in words."""

from __future__ import annotations

import argparse
from typing import Any

from kubectl.errors import CommandError
from kubectl.generators.generator import MANY, TEXT, Generator, meta, named, pure

Obj = dict[str, Any]


def _backend(text: str) -> Obj:
    """`svc:80` or `svc:http`."""
    name, _, port = text.partition(":")
    if not name or not port:
        raise CommandError(f"{text} is not a service and its port, as in svc:80")
    return {"service": {"name": name, "port": {"number": int(port)} if port.isdecimal() else {"name": port}}}


def _rule(text: str) -> tuple[str, Obj, Obj | None]:
    """Host, path and TLS of `host/path=svc:port[,tls[=secret]]`; a path that ends in * means all below it."""
    where, _, rest = text.partition("=")
    host, slash, path = where.partition("/")
    backend, *options = rest.split(",")
    if not slash or not backend:
        raise CommandError(f"rule {text} is invalid and should be in format host/path=svcname:svcport[,tls[=secret]]")
    kind = "Prefix" if path.endswith("*") else "Exact"
    found = {"path": f"/{path.removesuffix('*')}", "pathType": kind, "backend": _backend(backend)}
    tls: Obj | None = None
    for option in options:
        name, _, secret = option.partition("=")
        if name != "tls":
            raise CommandError(
                f"rule {text} is invalid and should be in format host/path=svcname:svcport[,tls[=secret]]"
            )
        tls = {**({"hosts": [host]} if host else {}), **({"secretName": secret} if secret else {})}
    return host, found, tls


def _ingress(args: argparse.Namespace) -> Obj:
    if not args.rule and not args.default_backend:
        raise CommandError(
            "not enough information provided: every ingress has to either specify a default-backend or a rule"
        )
    paths: dict[str, list[Obj]] = {}
    secured: list[Obj] = []
    for text in args.rule:
        host, path, tls = _rule(text)
        paths.setdefault(host, []).append(path)
        if tls is not None and tls not in secured:
            secured.append(tls)
    spec: Obj = {}
    if args.ingress_class:
        spec["ingressClassName"] = args.ingress_class
    if args.default_backend:
        spec["defaultBackend"] = _backend(args.default_backend)
    if secured:
        spec["tls"] = secured
    if paths:
        spec["rules"] = [{**({"host": h} if h else {}), "http": {"paths": p}} for h, p in paths.items()]
    about: Obj = meta(args.name)
    if args.annotation:
        about["annotations"] = dict(text.partition("=")[::2] for text in args.annotation)
    return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": about, "spec": spec}


GENERATORS: dict[str, Generator] = {
    "ingress": Generator(
        help="an ingress",
        arguments=named(
            ("--rule", MANY), ("--default-backend", TEXT), ("--class", {"dest": "ingress_class", "default": ""}), ("--annotation", MANY)
        ),
        make=pure(_ingress), aliases=("ing",),
    ),
}  # fmt: skip
