"""What a kind is: one value that the server, the CLI and the components read. Built-in kinds and CRDs are the same here.

A kind's file states identity and, only where the kind differs, its hooks. All hooks are pure and synchronous.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pocketkube.api.meta.field import FieldError
from pocketkube.api.schema import Schema

Obj = dict[str, Any]

ALL_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
PROXY_VERBS = ("create", "delete", "get", "patch", "update")


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a Table; `priority` 0 is shown always, 1 under `-o wide`. `type` is an OpenAPI type."""

    name: str
    type: str = "string"
    description: str = ""
    priority: int = 0
    format: str = ""


@dataclass(frozen=True, slots=True)
class Subresource:
    """A subresource as discovery lists it. `group`/`version`/`kind` say what its body is, where not the parent's own."""

    name: str
    verbs: tuple[str, ...] = ("get", "patch", "update")
    kind: str = ""
    group: str = ""
    version: str = ""


STATUS = Subresource("status")
SCALE = Subresource("scale", kind="Scale", group="autoscaling", version="v1")


@dataclass(frozen=True, kw_only=True, slots=True)
class ScalePaths:
    """Where a kind's scale lives, as dotted paths from the object's root."""

    spec_replicas: str = "spec.replicas"
    status_replicas: str = "status.replicas"
    selector: str = ""  # a dotted path to a string, a LabelSelector or a plain map of labels; "" for none


@dataclass(frozen=True, kw_only=True)
class Kind:
    """Identity, shape and rules of one kind in one version.

    Hooks that get (new, old) may change `new` in place and never `old`, which is shared. Hooks of several versions that
    share one store each see their own version.
    """

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool
    schema: Schema
    singular: str = ""  # "" is the kind in lower case
    list_kind: str = ""  # "" is the kind with List after it
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ALL_VERBS
    subresources: tuple[Subresource, ...] = ()
    storage_version: str = ""  # the version kept in etcd; "" is this one
    # Folder below /registry; "" is the plural, or group/plural for a CRD's kind.
    storage_prefix: str = ""
    cohabits: tuple[tuple[str, str], ...] = ()  # (group, version) of the same objects in other groups
    priority: int = 0  # among the group's versions: the highest is preferred

    columns: tuple[Column, ...] = ()  # every column in order, Name and Age included; () means Name and Age
    row: Callable[[Obj, datetime], list[Any]] | None = None  # all cells of one object, one a column
    # Field selectors beyond metadata.name and metadata.namespace.
    selectable: Mapping[str, Callable[[Obj], str]] = field(default_factory=dict)
    # What this version calls the selectable fields of the stored one, where it renames them.
    field_labels: Mapping[str, str] = field(default_factory=dict)

    # Fills the fresh object in place; runs at create and update.
    default: Callable[[Obj], None] | None = None
    # Brings an object, in whichever version it was kept, to the form that this version has now, in place.
    settle: Callable[[Obj], None] | None = None
    prepare_create: Callable[[Obj], None] | None = None  # in place: clears status, sets what only the server sets
    prepare_update: Callable[[Obj, Obj], None] | None = None  # (new, old): carries over what this path may not change
    prepare_status: Callable[[Obj, Obj], None] | None = None  # (new, old) on /status
    validate: Callable[[Obj], list[FieldError]] | None = None
    validate_update: Callable[[Obj, Obj], list[FieldError]] | None = None  # (new, old)
    validate_status: Callable[[Obj, Obj], list[FieldError]] | None = None  # (new, old)
    warnings: Callable[[Obj], list[str]] | None = None  # what a client that creates one should know
    update_warnings: Callable[[Obj, Obj], list[str]] | None = None  # (new, old), not for subresources
    # Subresource ("" for the main one) -> what a write through it cannot set, and so nobody comes to own by it, as `spec` or
    # `metadata.labels`; by default `status`, and through `status` the `spec`.
    resets: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    # (object in any version that shares the store, this version) -> new object of this kind and version.
    convert: Callable[[Obj, str], Obj] | None = None
    # Conversion that has to be asked for elsewhere: (objects, api version) -> them in that version, in their order.
    converter: Callable[[Sequence[Obj], str], Awaitable[list[Obj]]] | None = None
    rereads: bool = False  # objects may be stored in another version or by an older schema than this one
    scale: ScalePaths | None = None
    has_generation: bool = True  # metadata.generation is kept (false for kinds that have none upstream)
    validates_name_as: str = "dns-subdomain"  # dns-subdomain | dns-label | path-segment | dns1035
    default_grace_seconds: int | None = None  # graceful deletion; a Pod's own spec decides, others have none
    graceful: Callable[[Obj, Obj], int] | None = None  # (object, DeleteOptions) -> grace seconds; 0 deletes at once
    orphans: bool = False  # deleted without a word on its dependents it leaves them, as in the API's first versions
    has_dependents: bool = True  # False: nothing is owned by it, whatever a deletion says of dependents
    delete_warnings: Callable[[Obj], list[str]] | None = None  # DeleteOptions -> what a client should know
    create_on_update: bool = False  # PUT of a missing object creates it
    deprecation: str = ""  # what a client of a deprecated version is warned of
    custom: bool = False  # comes from a CRD

    def __post_init__(self) -> None:
        set_once = object.__setattr__
        set_once(self, "singular", self.singular or self.kind.lower())
        set_once(self, "list_kind", self.list_kind or f"{self.kind}List")
        set_once(self, "storage_version", self.storage_version or self.version)

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def has_status(self) -> bool:
        return any(s.name == "status" for s in self.subresources)

    @property
    def resource(self) -> str:
        """`deployments.apps`, or `pods`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def is_stored(self) -> bool:
        """False for reviews, bindings and what else is answered without being kept."""
        return "watch" in self.verbs
