"""python -m apiserver.protobuf.extract KUBECTL [--presence]: print the table of `fields.json`, read out of a kubectl binary,
or that of `pocketkube/api/schema/presence.json`.

A Go binary describes its struct types for reflection: each field has a name, a type and a tag such as
`json:"name,omitempty" protobuf:"bytes,1,opt,name=name"`. The tags give field numbers and JSON names.
"""

from __future__ import annotations

import re
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

import orjson

_NAME = re.compile(rb'json:"([^",]*)[^"]*"')
_NUMBER = re.compile(rb'protobuf:"\w+,(\d+),')
_TAG = re.compile(rb'json:"([^",]+)([^"]*)"')
_PACKAGES = re.compile(r"k8s\.io/(api|apimachinery|apiextensions-apiserver|kube-aggregator)/(.+)")
_RTYPE, _FIELD = 48, 24  # bytes of Go's abi.Type and of a struct field
_MAP, _POINTER, _SLICE, _STRUCT = 21, 22, 23, 25  # abi.Kind
_SCALARS = {1: "bool", 8: "byte", 13: "float", 14: "double", 24: "string"} | dict.fromkeys(
    (2, 3, 4, 5, 6, 7, 9, 10, 11), "int"
)
_UNCOMMON = 1  # abi.TFlagUncommon


class Binary:
    """A little-endian ELF file of 64 bits, by virtual address."""

    def __init__(self, data: bytes):
        self.data = data
        (start,) = struct.unpack_from("<Q", data, 0x28)
        size, count = struct.unpack_from("<HH", data, 0x3A)
        self.segments = []
        for at in range(start, start + size * count, size):
            address, offset, length = struct.unpack_from("<QQQ", data, at + 0x10)
            (kind,) = struct.unpack_from("<I", data, at + 4)
            if address and kind == 1:
                self.segments.append((address, offset, length))

    segments: list[tuple[int, int, int]]

    def offset(self, address: int) -> int:
        for base, offset, length in self.segments:
            if base <= address < base + length:
                return offset + address - base
        return -1

    def address(self, offset: int) -> int:
        for base, start, length in self.segments:
            if start <= offset < start + length:
                return base + offset - start
        return -1

    def name(self, offset: int) -> tuple[bytes, bytes]:
        """(name, tag) of Go's encoded name at a file offset."""
        flags = self.data[offset]
        name, at = self._text(offset + 1)
        tag = self._text(at)[0] if flags & 2 else b""
        return name, tag

    def _text(self, at: int) -> tuple[bytes, int]:
        length, shift = 0, 0
        while True:
            byte = self.data[at]
            at += 1
            length |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return self.data[at : at + length], at + length


def structs(binary: Binary) -> Iterator[tuple[int, int, int]]:
    """(file offset of the type, of its fields, their number) of everything that looks like a struct type with fields."""
    data = binary.data
    for _, start, length in binary.segments:
        for at in range(start, start + length - 96, 8):
            if data[at + 23] & 31 != _STRUCT:
                continue
            _, fields, count, capacity = struct.unpack_from("<QQQQ", data, at + _RTYPE)
            if 0 < count == capacity < 200 and (where := binary.offset(fields)) >= 0:
                yield at, where, count


def messages(binary: Binary) -> dict[str, dict[str, list[str]]]:
    """Definition name -> field number -> [JSON name, type], as `wire.py` explains them."""
    found = {at: tags for at, where, count in structs(binary) if (tags := _tags(binary, where, count))}
    base = _types_base(binary, list(found), {})
    named = {at: name for at in found if (name := _definition(binary, at, base))}
    made = {
        name: {number: [tag, kept + _type(binary, kind, base)] for number, (tag, kept, kind) in found[at].items()}
        for at, name in sorted(named.items(), key=lambda item: item[1])
    }
    return _reachable(made)


def _reachable(made: dict[str, dict[str, list[str]]]) -> dict[str, dict[str, list[str]]]:
    """What the kinds of the schemas need."""
    from pocketkube.api.schema import definitions

    wanted: set[str] = set()
    pending = [name for name in definitions.load() if name in made and not name.endswith("List")]
    while pending:
        name = pending.pop()
        if name not in wanted and name in made:
            wanted.add(name)
            pending += [kind.lstrip("!*{") for _, kind in made[name].values()]
    return {name: numbers for name, numbers in made.items() if name in wanted}


def presence(binary: Binary) -> dict[str, str]:
    """Definition name -> its fields whose zero value is not left out, as `pocketkube.api.schema.presence` explains them."""
    from pocketkube.api.schema import definitions

    types = list(structs(binary))
    base = _types_base(binary, [at for at, _, _ in types], {})
    made = {}
    for at, where, count in types:
        name = _definition(binary, at, base)
        if name in definitions.load() and not name.endswith("List") and (kept := " ".join(_kept(binary, where, count))):
            made[name] = kept
    return dict(sorted(made.items()))


def _kept(binary: Binary, where: int, count: int) -> Iterator[str]:
    """Names of fields, with "!" those that are there in every object."""
    for index in range(count):
        pointer, kind = struct.unpack_from("<QQ", binary.data, where + index * _FIELD)
        found = _TAG.search(binary.name(binary.offset(pointer))[1])
        if not found or found[1] == b"-":
            continue
        name, options, form = found[1].decode(), found[2], binary.data[binary.offset(kind) + 23] & 31
        if form == _POINTER:
            target = binary.offset(struct.unpack_from("<Q", binary.data, binary.offset(kind) + _RTYPE)[0])
            if binary.data[target + 23] & 31 != _STRUCT:
                yield name
        elif form == _STRUCT and b"omitzero" not in options:
            yield name + "!"
        elif b"omit" not in options:
            yield name if form in (_MAP, _SLICE) else name + "!"


def _tags(binary: Binary, where: int, count: int) -> dict[str, tuple[str, str, int]]:
    """Field number -> (JSON name, "!" where zero values are kept, file offset of the field's type)."""
    numbers = {}
    for index in range(count):
        pointer, kind = struct.unpack_from("<QQ", binary.data, where + index * _FIELD)
        offset = binary.offset(pointer)
        if offset < 0:
            return {}
        tag = binary.name(offset)[1]
        number, name = _NUMBER.search(tag), _NAME.search(tag)
        if number and name:
            kept = binary.data[binary.offset(kind) + 23] & 31 == _POINTER or b"omit" not in name[0]
            numbers[number[1].decode()] = (name[1].decode(), "!" if kept and name[1] else "", binary.offset(kind))
    return numbers


def _type(binary: Binary, at: int, base: int) -> str:
    kind = binary.data[at + 23] & 31
    if kind in _SCALARS:
        return _SCALARS[kind]
    if kind == _STRUCT:
        return _definition(binary, at, base)
    key, value = struct.unpack_from("<QQ", binary.data, at + _RTYPE)
    if kind == _MAP:
        return "{" + _type(binary, binary.offset(value), base)
    inner = _type(binary, binary.offset(key), base)
    if kind == _SLICE:
        return "bytes" if inner == "byte" else "*" + inner
    return inner


def _types_base(binary: Binary, types: list[int], votes: dict[int, int]) -> int:
    """Where name offsets count from: the start of a segment or section that makes type names of most offsets."""
    starts = {offset for _, offset, _ in binary.segments}
    (section,) = struct.unpack_from("<Q", binary.data, 0x28)
    size, count = struct.unpack_from("<HH", binary.data, 0x3A)
    for at in range(section, section + size * count, size):
        starts.add(struct.unpack_from("<Q", binary.data, at + 0x18)[0])
    for base in starts:
        votes[base] = sum(_type_name(binary, at, base) != "" for at in types[:200])
    return max(votes, key=lambda base: votes[base])


def _type_name(binary: Binary, at: int, base: int) -> str:
    (offset,) = struct.unpack_from("<i", binary.data, at + 40)
    try:
        name = binary.name(base + offset)[0].decode("ascii")
    except (UnicodeDecodeError, IndexError):
        return ""
    return name.lstrip("*") if re.fullmatch(r"\*?\w+\.\w+", name) else ""


def _definition(binary: Binary, at: int, base: int) -> str:
    """`io.k8s.api.core.v1.Pod` of a named struct in one of the API's packages."""
    if not binary.data[at + 20] & _UNCOMMON:
        return ""
    (offset,) = struct.unpack_from("<i", binary.data, at + 80)
    package = binary.name(base + offset)[0].decode("ascii", "replace")
    match = _PACKAGES.fullmatch(package)
    name = _type_name(binary, at, base).rpartition(".")[2]
    return ".".join(("io.k8s", match[1], *match[2].split("/"), name)) if match and name else ""


def main() -> None:
    binary = Binary(Path(sys.argv[1]).read_bytes())
    table = presence(binary) if "--presence" in sys.argv else messages(binary)
    lines = orjson.OPT_INDENT_2 if "--presence" in sys.argv else 0
    sys.stdout.buffer.write(orjson.dumps(table, option=lines) + b"\n")


if __name__ == "__main__":
    main()
