"""Objects from files, folders, URLs and standard input, in the order they stand there; lists are taken apart."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import yaml

from kubectl.errors import CommandError

Obj = dict[str, Any]
SUFFIXES = (".yaml", ".yml", ".json")


class Loader(yaml.CSafeLoader):
    """YAML as upstream reads it: times and dates stay text, `y` and `n` are yes and no, `1e3` is a number."""


Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in rules if tag != "tag:yaml.org,2002:timestamp"]
    for first, rules in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}
for _sign in "yYnN":
    Loader.yaml_implicit_resolvers[_sign] = [
        ("tag:yaml.org,2002:bool", re.compile("^[yYnN]$")),
        *Loader.yaml_implicit_resolvers.get(_sign, []),
    ]
for _sign in "+-.0123456789":
    Loader.yaml_implicit_resolvers[_sign] = [
        *Loader.yaml_implicit_resolvers.get(_sign, []),
        ("tag:yaml.org,2002:float", re.compile(r"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)[eE][-+]?[0-9]+$")),
    ]
Loader.add_constructor(
    "tag:yaml.org,2002:bool",
    lambda loader, node: node.value.lower() in ("y", "yes", "true", "on"),
)


def read(sources: list[str], *, recursive: bool = False) -> list[tuple[str, Obj]]:
    """Every object with the name of its file. Raises CommandError naming the file and what is wrong in it."""
    if not sources:
        raise CommandError("must specify one of -f and -k")
    found = [
        (name, obj)
        for source in sources
        for name, text in _texts(source, recursive=recursive)
        for obj in parse(text, name)
    ]
    if not found:
        raise CommandError("no objects passed to apply")
    return found


def _texts(source: str, *, recursive: bool) -> Iterator[tuple[str, bytes]]:
    if source == "-":
        yield "STDIN", sys.stdin.buffer.read()
    elif source.startswith(("http://", "https://")):
        import httpx

        answer = httpx.get(source, follow_redirects=True)
        if answer.status_code != 200:
            raise CommandError(f'unable to read URL "{source}", server reported {answer.status_code}')
        yield source, answer.content
    else:
        path = Path(source)
        if not path.exists():
            raise CommandError(f'the path "{source}" does not exist')
        files = sorted(path.rglob("*") if recursive else path.glob("*")) if path.is_dir() else [path]
        for file in files:
            if file.is_file() and (file.suffix in SUFFIXES or not path.is_dir()):
                yield str(file), file.read_bytes()


def parse(text: bytes, name: str) -> Iterator[Obj]:
    """The objects of one document stream."""
    try:
        documents = [orjson.loads(text)] if text.lstrip()[:1] == b"{" else list(yaml.load_all(text, Loader))
    except (orjson.JSONDecodeError, yaml.YAMLError) as error:
        raise CommandError(f"error parsing {name}: {error}") from error
    for document in documents:
        if document is None:
            continue
        if not isinstance(document, dict):
            raise CommandError(f"error parsing {name}: a {type(document).__name__} where an object should be")
        yield from _objects(document, name)


def _objects(document: Obj, name: str) -> Iterator[Obj]:
    for member in ("apiVersion", "kind"):
        if not document.get(member):
            raise CommandError(f'error validating "{name}": error validating data: {member} not set')
    if document["kind"].endswith("List") and isinstance(document.get("items"), list):
        for item in document["items"]:
            yield from _objects(item, name)
    else:
        yield document
