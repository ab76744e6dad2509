"""A compiled schema: what decoding, patching, field ownership and OpenAPI ask about the shape of an object.

A schema of a built-in kind is only a name until something is asked of it: the first question reads its head (type, list
and map rules), the first descent compiles its children. Slots that are not filled yet land in `__getattr__`, so a filled
one costs what any attribute costs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from pocketkube.api.schema import definitions

if TYPE_CHECKING:
    from pocketkube.api.meta.field import FieldError
    from pocketkube.api.schema.readers import Path, Report

Obj = dict[str, Any]


class _Missing:
    """Stands for `no default`, where None would be one."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING = _Missing()

_NO_FIELDS: dict[str, Schema] = {}
_CHILDREN = frozenset({"fields", "given_metadata", "items", "map_values", "item_defaults", "omitted", "present"})


class Schema:
    """The shape of a value. Immutable to its users; compiled piece by piece as it is asked.

    type: object, array, string, integer, number, boolean, or for special leaves quantity, int-or-string, time,
    microtime, bytes, any. list_type: atomic, set or map (arrays). map_type: atomic or granular (objects).
    """

    __slots__ = (
        "_raw",
        "check",
        "custom",
        "default_value",
        "definition",
        "digest",
        "embedded",
        "fields",
        "format",
        "given_metadata",
        "has_defaults",
        "invariants",
        "item_defaults",
        "items",
        "list_keys",
        "list_type",
        "map_type",
        "map_values",
        "merge_key",
        "merge_strategy",
        "name",
        "nullable",
        "omitted",
        "plain",
        "present",
        "preserve",
        "published",
        "read",
        "required",
        "retain_keys",
        "rules",
        "type",
    )  # fmt: skip

    name: str  # of the definition, "" inside one
    type: str
    format: str
    fields: dict[str, Schema]  # properties of an object
    items: Schema | None
    map_values: Schema | None  # additionalProperties
    list_type: str
    list_keys: tuple[str, ...]  # of a list of type map, sorted
    item_defaults: Obj  # defaults of list keys: {"protocol": "TCP"} for container ports
    map_type: str
    merge_key: str  # strategic merge
    merge_strategy: str  # strategic merge: merge, replace or ""
    retain_keys: bool  # strategic merge
    required: frozenset[str]
    preserve: bool  # unknown fields are kept
    embedded: bool  # an object with kind, apiVersion and metadata of its own
    nullable: bool
    omitted: frozenset[str]  # fields that are left out where they are zero: "", 0, false, no items
    present: tuple[tuple[str, Callable[[], Any]], ...]  # fields that every object has, and what makes their zero value
    default_value: Any  # or MISSING
    has_defaults: bool  # something below has a default
    custom: bool  # from a CRD
    definition: Schema | None  # that this refers to, with merge rules of its own
    plain: object  # a value of exactly this Python type needs no further check
    read: Callable[[Schema, Any, Path, Report], Any]
    check: Callable[[Any, str, list[FieldError], Any], None]  # of custom schemas: (value, path, errors, old value)
    # Of custom schemas, of embedded objects and of lists: (value, path, errors).
    invariants: tuple[Callable[[Any, str, list[FieldError]], None] | None, ...]
    given_metadata: Schema | None  # what the CRD says of the metadata of an embedded object: its defaults count
    digest: str  # of the raw schema
    published: dict[str, bytes]  # what was made of it for documents, by their name
    rules: Callable[[Any, Any, list[str] | None], list[FieldError]] | None  # (object, old object, warnings)

    def __init__(self, name: str, raw: Obj | None = None, *, definition: Schema | None = None, custom: bool = False):
        self.name = name
        self._raw = raw
        self.definition = definition
        self.custom = custom

    @classmethod
    def of(cls, name: str) -> Schema:
        """The schema of a built-in definition such as `io.k8s.api.core.v1.Pod`; reads nothing until it is used."""
        found = _DEFINITIONS.get(name)
        if found is None:
            found = _DEFINITIONS[name] = cls(name)
        return found

    @classmethod
    def from_openapi(cls, openapi: Obj) -> Schema:
        """The schema of a custom resource's root from its CRD's `openAPIV3Schema` (structural)."""
        from pocketkube.api.schema import structural

        return structural.root(openapi)

    def __getattr__(self, attribute: str) -> Any:
        if attribute not in Schema.__slots__:
            raise AttributeError(attribute)
        from pocketkube.api.schema import compiling

        if attribute in _CHILDREN:
            compiling.children(self)
        elif attribute == "has_defaults":
            from pocketkube.api.schema import default

            self.has_defaults = default.found_in(self)
        elif attribute == "digest":
            import hashlib

            import orjson

            self.digest = hashlib.sha256(orjson.dumps(self.raw)).hexdigest()
        elif attribute == "published":
            self.published = {}
        elif attribute in ("check", "invariants", "rules"):
            from pocketkube.api.schema import validate

            validate.fill(self)
        else:
            compiling.head(self)
        return object.__getattribute__(self, attribute)

    def __repr__(self) -> str:
        return f"Schema({self.name or self.type})"

    @property
    def raw(self) -> Obj:
        """The OpenAPI this was compiled from; never to be changed."""
        return self._raw if self._raw is not None else definitions.raw(self.name)

    def field(self, name: str) -> Schema | None:
        """The schema of a property or of a map's values; None where there is none."""
        return self.fields.get(name) or self.map_values

    def zero(self) -> Obj:
        """An object that nothing is set in, as upstream's types have it."""
        return {name: make() for name, make in self.present}

    def decode(self, obj: Any, *, mode: str = "Strict") -> list[str]:
        """Bring a parsed object to the form it is kept in, in place: unknown fields and nulls go, as do zero values where
        Go leaves them out, what Go always has comes, quantities and times become canonical. Mode Partial only takes
        unknown fields and makes values canonical: what a client says of an object, not the object. Returns
        `unknown field "spec.foo"` messages (none in mode Ignore). Raises BadRequest."""
        from pocketkube.api.schema import decode

        return decode.decode(self, obj, mode=mode)

    def validate(
        self,
        obj: Obj,
        *,
        path: str = "",
        old: Any = MISSING,
        warnings: list[str] | None = None,
        embedded: bool = True,
    ) -> list[FieldError]:
        """Every violation of a custom resource's schema that is not there unchanged in `old`."""
        from pocketkube.api.schema import validate

        return validate.validate(self, obj, path=path, old=old, warnings=warnings, embedded=embedded)

    def default(self, obj: Any) -> None:
        """Fill in the schema's defaults, in place."""
        from pocketkube.api.schema import default

        default.apply(self, obj)

    def openapi_v2(self) -> Obj:
        """This schema as an OpenAPI v2 definition."""
        from pocketkube.api.schema import openapi

        return openapi.v2(self.raw, custom=self.custom)

    def openapi_v3(self) -> Obj:
        """This schema as an OpenAPI v3 component."""
        from pocketkube.api.schema import openapi

        return openapi.v3(self.raw, custom=self.custom)


_DEFINITIONS: dict[str, Schema] = {}


def known() -> Mapping[str, Schema]:
    """Schemas of built-in definitions that were asked for so far."""
    return _DEFINITIONS
