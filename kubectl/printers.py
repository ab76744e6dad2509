"""How results are shown: tables that the server made, JSON, YAML, names, JSONPath and custom columns."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from kubectl import jsonpath
from kubectl.errors import CommandError
from pocketkube.api.meta import times

Obj = dict[str, Any]
Printer = Callable[[Obj], str]

GAP = 3
NARROWEST = 6  # characters of a column, the gap included


class _Dumper(yaml.CSafeDumper):
    """Block text for strings of several lines, sorted keys, no aliases: as Go's YAML writes an object."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


TEXT = "tag:yaml.org,2002:str"
PLAIN = frozenset((TEXT, "tag:yaml.org,2002:yaml"))  # the latter of *, & and !, which get single quotes
OTHER_TYPES = re.compile(r"[yYnN]|[-+]?(\.\d+|\d+(\.\d*)?)[eE][-+]?\d+")  # to Go, and text to our resolver


def _type(dumper: yaml.CSafeDumper, value: str) -> Any:
    """What our resolver would read it as, were it not quoted."""
    return dumper.resolve(yaml.ScalarNode, value, (True, False))  # type: ignore[no-untyped-call]


def _text(dumper: yaml.CSafeDumper, value: str) -> yaml.ScalarNode:
    """Double quotes around what would be read as another type, a block for lines, else as plain as it may be."""
    style = None
    if "\n" in value:
        style = "|"
    elif _type(dumper, value) not in PLAIN or OTHER_TYPES.fullmatch(value):
        style = '"'
    return dumper.represent_scalar(TEXT, value, style=style)


_Dumper.add_representer(str, _text)


def to_yaml(obj: Any) -> str:
    return str(yaml.dump(obj, Dumper=_Dumper, default_flow_style=False, allow_unicode=True, width=1 << 20))


def to_json(obj: Any) -> str:
    """As Go writes it: keys in order, and what HTML takes for its own escaped."""
    text = json.dumps(obj, indent=4, ensure_ascii=False, sort_keys=True)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026") + "\n"


def without_managed_fields(obj: Obj) -> Obj:
    """A copy without field ownership, also in a list's items."""
    meta = {k: v for k, v in obj.get("metadata", {}).items() if k != "managedFields"}
    shown = {**obj, "metadata": meta} if "metadata" in obj else dict(obj)
    if isinstance(obj.get("items"), list):
        shown["items"] = [without_managed_fields(item) for item in obj["items"]]
    return shown


def printer(output: str, *, managed_fields: bool = False) -> Printer:
    """The function for `-o output`; tables are not its business. Raises CommandError for an unknown form."""
    name, _, argument = output.partition("=")
    clean: Callable[[Obj], Obj] = (lambda o: o) if managed_fields else without_managed_fields
    if name == "json":
        return lambda obj: to_json(clean(obj))
    if name == "yaml":
        return lambda obj: to_yaml(clean(obj))
    if name == "name":
        return lambda obj: "".join(f"{full_name(o)}\n" for o in items(obj))
    if name in ("jsonpath", "jsonpath-as-json", "jsonpath-file"):
        text = _file(argument) if name == "jsonpath-file" else argument
        return _jsonpath(text, as_json=name == "jsonpath-as-json")
    if name in ("custom-columns", "custom-columns-file"):
        columns = _file_columns(argument) if name.endswith("file") else argument
        return lambda obj: custom_columns(columns, list(items(obj)))
    if name in ("go-template", "template", "go-template-file", "templatefile"):
        from kubectl import gotemplate

        if not argument:
            raise CommandError("template format specified but no template given")
        template = gotemplate.parse(_file(argument) if name.endswith("file") else argument)
        return lambda obj: template.render(clean(obj))
    raise CommandError(
        f'unable to match a printer suitable for the output format "{name}", allowed formats are: custom-columns,'
        "custom-columns-file,go-template,go-template-file,json,jsonpath,jsonpath-as-json,jsonpath-file,name,template,"
        "templatefile,wide,yaml"
    )


def _file(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError as error:
        raise CommandError(f"error reading --template {path}, open {path}: {(error.strerror or '').lower()}") from error


def _jsonpath(text: str, *, as_json: bool) -> Printer:
    template = jsonpath.parse(text)
    if as_json:
        return lambda obj: to_json(
            [v for n in template if isinstance(n, jsonpath.Path) for v in jsonpath.values(n, obj)]
        )
    return lambda obj: jsonpath.render(template, obj)


def items(obj: Obj) -> Iterable[Obj]:
    return obj["items"] if isinstance(obj.get("items"), list) and "kind" in obj else [obj]


def full_name(obj: Obj) -> str:
    """`pod/web`, `deployment.apps/web`."""
    group = obj.get("apiVersion", "").rpartition("/")[0]
    kind = obj.get("kind", "").lower()
    return f"{kind}.{group}/{obj['metadata']['name']}" if group else f"{kind}/{obj['metadata']['name']}"


def _file_columns(path: str) -> str:
    """A file of two lines, names and below them paths, as one text."""
    rows = [line.split() for line in _file(path).splitlines() if line.strip()]
    if len(rows) != 2 or len(rows[0]) != len(rows[1]):
        raise CommandError(
            f"number of field specifiers ({len(rows[0]) if rows else 0}) and column headers do not match"
        )
    return ",".join(f"{name}:{path}" for name, path in zip(*rows, strict=True))


def custom_columns(spec: str, objects: Sequence[Obj], *, headers: bool = True) -> str:
    """`NAME:.metadata.name,IMAGE:.spec.containers[*].image`."""
    columns = [part.partition(":") for part in _split_columns(spec)]
    if not spec or any(not path for _, _, path in columns):
        raise CommandError(f"custom-columns format specified but no custom columns given: {spec}")
    paths = [jsonpath.parse_path(path.strip("{}")) for _, _, path in columns]
    rows = [
        [
            ",".join("<none>" if v is None else jsonpath.show(v) for v in jsonpath.values(p, o)) or "<none>"
            for p in paths
        ]
        for o in objects
    ]
    return align([[name for name, _, _ in columns], *rows] if headers else rows)


def _split_columns(spec: str) -> list[str]:
    parts, depth = [""], 0
    for c in spec:
        depth += (c in "[(") - (c in "])")
        if c == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += c
    return parts


def align(rows: Sequence[Sequence[str]]) -> str:
    """Columns of equal width, three spaces apart and no narrower than upstream's, the last one as it is."""
    if not rows:
        return ""
    widths = [max(len(row[i]) if i < len(row) else 0 for row in rows) for i in range(max(map(len, rows)))]
    lines = []
    for row in rows:
        cells = [cell.ljust(max(widths[i] + GAP, NARROWEST)) for i, cell in enumerate(row[:-1])]
        lines.append("".join(cells) + (row[-1] if row else ""))
    return "\n".join(line.rstrip() for line in lines) + "\n"


def table_rows(
    table: Obj, *, wide: bool, headers: bool, namespace: bool, labels: Sequence[str] = (), all_labels: bool = False
) -> list[list[str]]:
    """A server's Table as rows of text, the header first."""
    definitions = table.get("columnDefinitions") or []
    shown = [i for i, d in enumerate(definitions) if wide or not d.get("priority")]
    rows: list[list[str]] = []
    if headers:
        head = [definitions[i]["name"].upper() for i in shown]
        rows.append([*(["NAMESPACE"] if namespace else []), *head, *_label_heads(labels, all_labels)])
    for row in table.get("rows") or ():
        meta = (row.get("object") or {}).get("metadata") or {}
        cells = [_cell(row["cells"][i]) for i in shown]
        rows.append(
            [*([meta.get("namespace", "")] if namespace else []), *cells, *_label_cells(meta, labels, all_labels)]
        )
    return rows


def _cell(value: Any) -> str:
    return (
        "<none>"
        if value is None
        else value
        if isinstance(value, str)
        else str(value).lower()
        if isinstance(value, bool)
        else str(value)
    )


def _label_heads(labels: Sequence[str], all_labels: bool) -> list[str]:
    return [label.rpartition("/")[2].upper() for label in labels] + (["LABELS"] if all_labels else [])


def _label_cells(meta: Obj, labels: Sequence[str], all_labels: bool) -> list[str]:
    found = meta.get("labels") or {}
    every = ",".join(f"{k}={v}" for k, v in sorted(found.items())) or "<none>"
    return [found.get(label, "") for label in labels] + ([every] if all_labels else [])


def age(timestamp: str | None) -> str:
    """How long ago, as kubectl words it."""
    return times.age(datetime.now(UTC) - times.parse(timestamp)) if timestamp else "<unknown>"
