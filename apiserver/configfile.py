"""Configuration files of upstream's kinds: a YAML or JSON object whose kind and apiVersion are known, or one line that says why not."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

Obj = dict[str, Any]

VERSIONS = tuple(f"apiserver.config.k8s.io/{version}" for version in ("v1", "v1beta1", "v1alpha1"))


class BadFile(Exception):
    """A file that a flag names cannot be used. The text names the file and is one line."""


def load(path: str, kind: str, versions: Collection[str]) -> Obj:
    """The object in a file, of `kind` in one of the apiVersions. Raises BadFile."""
    return check(parse(path), path, kind, versions)


def parse(path: str) -> Obj:
    import yaml

    try:
        found = yaml.safe_load(Path(path).read_bytes())
    except OSError as failure:
        raise BadFile(f"{path}: {failure.strerror}") from None
    except (yaml.YAMLError, ValueError) as failure:
        raise BadFile(f"{path}: {' '.join(str(failure).split())}") from None
    if not isinstance(found, dict):
        raise BadFile(f"{path}: not an object")
    return found


def check(found: Obj, path: str, kind: str, versions: Collection[str]) -> Obj:
    if found.get("kind") != kind or found.get("apiVersion") not in versions:
        has = f"{found.get('kind')} of {found.get('apiVersion')}"
        raise BadFile(f"{path}: a {kind} of {' or '.join(versions)} is wanted, this is a {has}")
    return found


def only(found: Obj, path: str, where: str, fields: Collection[str]) -> None:
    """No fields but these: a misspelt one would be obeyed by nobody. Raises BadFile."""
    unknown = sorted(set(found) - set(fields))
    if unknown:
        raise BadFile(f'{path}: unknown field "{f"{where}." if where else ""}{unknown[0]}"')


def read(text: str, kind: str) -> Obj:
    """The object in the text of a file that is followed. Raises ValueError for anything but that kind in those VERSIONS."""
    import yaml

    try:
        found = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.YAMLError as failure:
        raise ValueError(f"{kind}: not YAML: {failure}") from failure
    if not isinstance(found, dict):
        raise ValueError(f"{kind}: the file holds no object")
    if found.get("apiVersion") not in VERSIONS or found.get("kind") != kind:
        given = f"{found.get('apiVersion')}, Kind={found.get('kind')}"
        raise ValueError(f"expected {kind} of {' or '.join(VERSIONS)}, got {given}")
    return found
