"""--admission-control-config-file: the configuration of each plugin, inline or in a file beside."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from apiserver import configfile
from apiserver.configfile import BadFile

Obj = dict[str, Any]

VERSIONS = ("apiserver.config.k8s.io/v1", "apiserver.k8s.io/v1alpha1")


def load(path: str, known: Collection[str]) -> Mapping[str, tuple[str, Obj]]:
    """(where it was found, configuration) by plugin. Raises BadFile, also for a plugin that is not in `known`."""
    config = configfile.load(path, "AdmissionConfiguration", VERSIONS)
    configfile.only(config, path, "", ("kind", "apiVersion", "plugins"))
    found: dict[str, tuple[str, Obj]] = {}
    for at, plugin in enumerate(config.get("plugins") or ()):
        where = f"plugins[{at}]"
        if not isinstance(plugin, dict):
            raise BadFile(f"{path}: {where}: not an object")
        configfile.only(plugin, path, where, ("name", "path", "configuration"))
        name, inline, beside = str(plugin.get("name")), plugin.get("configuration"), plugin.get("path")
        if name not in known:
            raise BadFile(f'{path}: {where}.name: Invalid value: "{name}": there is no such plugin')
        if isinstance(inline, dict):
            found[name] = (f"{path} ({name})", inline)
        elif beside:
            file = str(Path(path).parent / str(beside))
            found[name] = (file, configfile.parse(file))
    return found
