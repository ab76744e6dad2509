"""HTTP/2 on the wire as a gRPC client needs it: frames, and header blocks without a dynamic table."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Final

from pocketkube.base.protobuf import varint

DATA: Final = 0
HEADERS: Final = 1
RST_STREAM: Final = 3
SETTINGS: Final = 4
PING: Final = 6
GOAWAY: Final = 7
WINDOW_UPDATE: Final = 8
CONTINUATION: Final = 9

END_STREAM: Final = 1  # of DATA and HEADERS
ACK: Final = 1  # of SETTINGS and PING
END_HEADERS: Final = 4
PADDED: Final = 8
PRIORITY: Final = 32

CANCEL: Final = 8  # error codes of RST_STREAM
REFUSED_STREAM: Final = 7

_TABLE_SIZE, _ENABLE_PUSH, INITIAL_WINDOW, MAX_FRAME = 1, 2, 4, 5  # settings

HEAD = struct.Struct(">BHBBI")  # length (24 bits in two), kind, flags, stream
HEAD_BYTES = HEAD.size
FRAME_BYTES = 16_384  # of content that every peer takes
WINDOW = 65_535  # of a stream and of a connection, until the peer says otherwise
OUR_WINDOW = 16 << 20  # of each stream; the server may send so much before we take any of it
LAST_STREAM = (1 << 31) - 1

_NUMBER = struct.Struct(">I")
_SETTING = struct.Struct(">HI")


def frame(kind: int, flags: int, stream: int, content: bytes = b"") -> bytes:
    size = len(content)
    return HEAD.pack(size >> 16, size & 0xFFFF, kind, flags, stream) + content


def window_update(stream: int, size: int) -> bytes:
    return frame(WINDOW_UPDATE, 0, stream, _NUMBER.pack(size))


def reset(stream: int, code: int) -> bytes:
    return frame(RST_STREAM, 0, stream, _NUMBER.pack(code))


def number(content: bytes, at: int = 0) -> int:
    """A 31-bit number: an increment, a stream, an error code."""
    found: int = _NUMBER.unpack_from(content, at)[0]
    return found & LAST_STREAM


def settings_of(content: bytes) -> dict[int, int]:
    return dict(_SETTING.iter_unpack(content))


# What a client says first. Without a dynamic table a header block means the same whenever it comes, so that the blocks of
# ordinary answers, which are all alike, are decoded once.
PREFACE = (
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    + frame(
        SETTINGS,
        0,
        0,
        b"".join(_SETTING.pack(*pair) for pair in ((_TABLE_SIZE, 0), (_ENABLE_PUSH, 0), (INITIAL_WINDOW, OUR_WINDOW))),
    )
    + window_update(0, LAST_STREAM - WINDOW)
)


def header_block(fields: Iterable[tuple[str, str]]) -> bytes:
    """Each field as a literal that is not indexed."""
    return b"".join(b"\0" + _text(name) + _text(value) for name, value in fields)


def _text(text: str) -> bytes:
    raw = text.encode()
    size = varint(len(raw)) if len(raw) < 127 else b"\x7f" + varint(len(raw) - 127)
    return size + raw


def unpadded(flags: int, content: bytes) -> bytes:
    """A DATA or HEADERS frame's content without padding and priority."""
    padding = 0
    if flags & PADDED:
        padding, content = content[0], content[1:]
    if flags & PRIORITY:
        content = content[5:]
    return content[: len(content) - padding] if padding else content
