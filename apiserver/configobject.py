"""Files that configure the server as objects of apiserver.config.k8s.io, in YAML or JSON."""

from __future__ import annotations

from typing import Any

Obj = dict[str, Any]

VERSIONS = tuple(f"apiserver.config.k8s.io/{version}" for version in ("v1", "v1beta1", "v1alpha1"))


def read(text: str, kind: str) -> Obj:
    """The object in a configuration file. Raises ValueError for anything but that kind in one of those versions."""
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
