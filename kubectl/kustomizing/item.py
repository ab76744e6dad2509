"""An object on its way through the layers, with the names that it had before."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Obj = dict[str, Any]


@dataclass(eq=False)
class Item:
    obj: Obj
    hashed: bool = False  # its name gets the hash of its content at the end
    former: list[tuple[str, str]] = field(default_factory=list)  # (name, namespace), the first one first

    @property
    def kind(self) -> str:
        return str(self.obj["kind"])

    @property
    def group(self) -> str:
        return str(self.obj["apiVersion"].rpartition("/")[0])

    @property
    def version(self) -> str:
        return str(self.obj["apiVersion"].rpartition("/")[2])

    @property
    def meta(self) -> Obj:
        found: Obj = self.obj.setdefault("metadata", {})
        return found

    @property
    def name(self) -> str:
        return str(self.meta.get("name", ""))

    @property
    def namespace(self) -> str:
        return str(self.meta.get("namespace") or "")

    def rename(self, name: str) -> None:
        self.remember()
        self.meta["name"] = name

    def move(self, namespace: str) -> None:
        self.remember()
        self.meta["namespace"] = namespace

    def remember(self) -> None:
        self.former.append((self.name, self.namespace))

    def is_named(self, name: str) -> bool:
        """Now or before."""
        return name == self.name or any(name == former for former, _ in self.former)

    def __str__(self) -> str:
        return f"{self.kind}.{self.version}.{self.group or '[noGrp]'}/{self.name}.{self.namespace or '[noNs]'}"
