"""Protocol buffers on the wire, without a schema: what writes and reads a handful of messages by hand needs.

A field is its number << 3 | wire type (0 varint, 1 eight bytes, 2 sized bytes, 5 four bytes), then its value.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

_SMALL = tuple(bytes([number]) for number in range(128))


def varint(number: int) -> bytes:
    """Seven bits a byte, the lowest first."""
    if number < 128:
        return _SMALL[number]
    made = bytearray()
    while number > 127:
        made.append(number & 127 | 128)
        number >>= 7
    made.append(number)
    return bytes(made)


def sized(number: int, value: bytes) -> bytes:
    """A field of sized bytes: text, bytes, another message."""
    return b"%b%b%b" % (varint(number << 3 | 2), varint(len(value)), value)


def present(number: int, value: bytes) -> bytes:
    """The same, left out where it is empty."""
    return sized(number, value) if value else b""


def fields(data: bytes) -> Iterator[tuple[int, Any]]:
    """(number, value) of a message: int of a varint, float of fixed numbers, bytes of the rest.

    Raises ValueError where the message is cut off or of no known form."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        number, kind = tag >> 3, tag & 7
        if kind == 0:
            value, at = _varint(data, at)
            yield number, value
            continue
        if kind == 2:
            size, at = _varint(data, at)
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
        else:
            raise ValueError(f"wire type {kind}")
        if at + size > len(data):
            raise ValueError("the message is cut off")
        held = data[at : at + size]
        yield number, held if kind == 2 else struct.unpack("<d" if kind == 1 else "<f", held)[0]
        at += size


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(data) and shift < 70:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:
            return value, at
        shift += 7
    raise ValueError("a number is cut off")
