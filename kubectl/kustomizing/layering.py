"""One layer: its file read and checked, what it is made of gathered, its transformers run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import yaml

from kubectl import manifests
from kubectl.errors import CommandError
from kubectl.kustomizing import generating, labelling, patching, references, replacing, transforming
from kubectl.kustomizing.item import Item

Obj = dict[str, Any]
Transformer = Callable[[list[Item], Obj, Path], None]
Warn = Callable[[str], None]

NAMES = ("kustomization.yaml", "kustomization.yml", "Kustomization")
# Order is upstream's: a patch sees names without this layer's prefix, a replacement sees everything.
TRANSFORMERS: tuple[Transformer, ...] = (
    patching.strategic,
    patching.patches,
    transforming.namespace,
    transforming.names,
    labelling.labels,
    labelling.notes,
    patching.json6902,
    transforming.replicas,
    transforming.images,
    replacing.replacements,
)
FIELDS = {
    "apiVersion", "kind", "metadata", "resources", "bases", "components", "namePrefix", "nameSuffix", "namespace", "labels",
    "commonLabels", "commonAnnotations", "images", "imageTags", "replicas", "configMapGenerator", "secretGenerator",
    "generatorOptions", "patches", "patchesStrategicMerge", "patchesJson6902", "replacements", "sortOptions", "buildMetadata",
}  # fmt: skip
DEPRECATED = {
    "bases": "resources",
    "imageTags": "images",
    "patchesJson6902": "patches",
    "patchesStrategicMerge": "patches",
    "commonLabels": "labels",
}
UNDONE = ("generators", "transformers", "validators", "helmCharts", "helmChartInflationGenerator", "vars", "crds",
          "configurations", "openapi", "helmGlobals", "inventory")  # fmt: skip


def layer(folder: Path, above: tuple[Path, ...] = (), *, warn: Warn) -> list[Item]:
    """All objects of a kustomization. `above`: the layers that it is built for. Raises CommandError."""
    folder = folder.resolve()
    if folder in above:
        raise CommandError(f"cycle detected: candidate root '{folder}' contains visited root '{above[-1]}'")
    said = read(folder)
    return _build([], said, folder, above=(*above, folder), warn=warn)


def read(folder: Path) -> Obj:
    """A folder's kustomization, its fields checked."""
    found = [folder / name for name in NAMES if (folder / name).is_file()]
    if not found:
        known = "', '".join(NAMES[:2])
        raise CommandError(f"unable to find one of '{known}' or '{NAMES[2]}' in directory '{folder}'")
    if len(found) > 1:
        raise CommandError(f"Found multiple kustomization files under: {folder}")
    try:
        said = yaml.load(found[0].read_bytes(), manifests.Loader)
    except yaml.YAMLError as error:
        raise CommandError(f"invalid Kustomization: {error}") from error
    if not said:
        raise CommandError("kustomization.yaml is empty")
    if not isinstance(said, dict):
        raise CommandError(f"invalid Kustomization: {found[0]} holds no map")
    for name in said:
        if name in UNDONE:
            raise CommandError(f"{found[0]}: {name} is not done by this kustomize")
        if name not in FIELDS:
            raise CommandError(f'invalid Kustomization: json: unknown field "{name}"')
    return said


def _build(items: list[Item], said: Obj, folder: Path, *, above: tuple[Path, ...], warn: Warn) -> list[Item]:
    for name, instead in DEPRECATED.items():
        if said.get(name):
            warn(
                f"# Warning: '{name}' is deprecated. Please use '{instead}' instead. "
                "Run 'kustomize edit fix' to update your Kustomization automatically."
            )
    for entry in (*(said.get("resources") or ()), *(said.get("bases") or ())):
        _take(items, _resources(str(entry), folder, above, warn), str(entry))
    generating.generate(items, said, folder)
    for entry in said.get("components") or ():
        root = (folder / str(entry)).resolve()
        if not root.is_dir():
            raise CommandError(f"accumulating components: accumulateDirectory: '{entry}' is no directory")
        component = read(root)
        if component.get("kind") != "Component":
            raise CommandError(f"accumulating components: expected kind 'Component' for path '{root}'")
        items = _build(items, component, root, above=(*above, root), warn=warn)
    before = {id(item): (item.name, item.namespace) for item in items}
    for transform in TRANSFORMERS:
        transform(items, said, folder)
        if transform is transforming.names:
            references.follow(items, before)
    return items


def _resources(entry: str, folder: Path, above: tuple[Path, ...], warn: Warn) -> list[Item]:
    path = folder / entry
    if path.is_dir():
        return layer(path, above, warn=warn)
    if "://" in entry or entry.startswith(("git@", "github.com/")):
        raise CommandError(f"accumulating resources: '{entry}': remote resources are not fetched")
    # through JSON: what a YAML alias names twice must be two things
    found = manifests.parse(generating.content(folder, entry), entry)
    return [Item(orjson.loads(orjson.dumps(obj))) for obj in found]


def _take(items: list[Item], more: list[Item], entry: str) -> None:
    there = {_identity(item) for item in items}
    for item in more:
        if _identity(item) in there:
            raise CommandError(
                f"accumulating resources: accumulation err='merging resources from '{entry}': "
                f"may not add resource with an already registered id: {item}'"
            )
        items.append(item)


def _identity(item: Item) -> tuple[str, str, str, str]:
    return item.group, item.kind, item.namespace, item.name
