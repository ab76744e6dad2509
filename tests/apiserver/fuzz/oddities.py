"""What no well-behaved client writes to a connection: bad framing, cut bodies, odd upgrades, junk of every layer.

Each is a name and the pieces to write; a `float` among them is a pause in seconds, and the connection may be left at any moment.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Callable
from random import Random
from typing import NamedTuple

Piece = bytes | float

MAPS = b"/api/v1/namespaces/default/configmaps"
_WATCH = MAPS + b"?watch=1&timeoutSeconds=1"
_EXEC = b"/api/v1/namespaces/default/pods/gone/exec?command=sh&stdout=1"


class Oddity(NamedTuple):
    name: str
    pieces: list[Piece]
    tls: bool = True


class Oddities:
    def __init__(self, rng: Random, token: str):
        self._rng = rng
        self._head = b"Host: a\r\nAuthorization: Bearer %b\r\n" % token.encode()
        self._makers: tuple[Callable[[], Oddity], ...] = (
            self._line,
            self._header,
            self._framing,
            self._chunks,
            self._pipeline,
            self._slow,
            self._cut,
            self._credentials,
            self._upgrade,
            self._websocket,
            self._coding,
            self._expect,
            self._junk,
            self._handshake,
        )

    def make(self) -> Oddity:
        return self._rng.choice(self._makers)()

    def _request(self, method: bytes = b"GET", path: bytes = MAPS, *more: bytes, body: bytes = b"") -> bytes:
        headers = b"".join(line + b"\r\n" for line in more)
        if body:
            headers += b"Content-Type: application/json\r\nContent-Length: %d\r\n" % len(body)
        return b"%b %b HTTP/1.1\r\n%b%b\r\n%b" % (method, path, self._head, headers, body)

    def _object(self) -> bytes:
        return b'{"apiVersion":"v1","kind":"ConfigMap","metadata":{"generateName":"odd-"},"data":{"a":"%d"}}' % (
            self._rng.randrange(10**9)
        )

    def _line(self) -> Oddity:
        line = self._rng.choice(
            (
                b"GET /",
                b"GET  / HTTP/1.1",
                b"get / HTTP/1.1",
                b"PRI * HTTP/2.0",
                b"GET / HTTP/1.9",
                b"GET / HTTP/9.9",
                b"GET / HTTP/1.0",
                b"CONNECT a:443 HTTP/1.1",
                b"OPTIONS * HTTP/1.1",
                b"GET http://other/api/v1 HTTP/1.1",
                b"GET /api#frag HTTP/1.1",
                b"GET /\xff\xfe HTTP/1.1",
                b"GET /%00 HTTP/1.1",
                b"GET /%zz HTTP/1.1",
                b"GET /%ff%fe HTTP/1.1",
                b"GET /../../etc HTTP/1.1",
                b"GET ?watch HTTP/1.1",
                b"GET api HTTP/1.1",
                b"\x00\x01\x02",
                b"A" * 70_000 + b" / HTTP/1.1",
                b"GET /api/v1/" + b"a" * 300_000 + b" HTTP/1.1",
                b"GET /api/v1/pods?" + b"a=b&" * 50_000 + b" HTTP/1.1",
                b"TRACE / HTTP/1.1",
                b"PURGE /api/v1/pods HTTP/1.1",
                b"HEAD /api/v1/pods HTTP/1.1",
                b"GET /api/v1/pods?limit=%zz&labelSelector=%ff HTTP/1.1",
                b"GET //api//v1//pods HTTP/1.1",
                b"GET https://[::1/ HTTP/1.1",
                b"GET http://a:99999/ HTTP/1.1",
            )
        )
        return Oddity("request line", [line + b"\r\n" + self._head + b"\r\n"])

    def _header(self) -> Oddity:
        header = self._rng.choice(
            (
                b"A",
                b": b",
                b"A : b",
                b"A:\x00",
                b"A: \xff\xfe",
                b"A: b\r\n c",
                b"\xc3\xa9: b",
                b"A: " + b"x" * 900_000,
                b"Accept: " + b"a/b," * 20_000,
                b"\r\n".join(b"X-%d: y" % n for n in range(9_000)),
                b"Host: b",
                b"Content-Type: \xff",
                b"User-Agent: \xff\x01",
                b"traceparent: 00-zz-1-1",
                b"Accept: application/json;as=Table;v=;g=",
                b"Accept-Encoding: gzip;q=x,,;",
                b"Audit-ID: " + b"q" * 5000,
                b"Origin: null",
                b"Range: bytes=0-1",
                b"If-None-Match: *",
                b"Cookie: " + b"a=b;" * 999,
                b"Connection: close, keep-alive, x",
                b"X-HTTP-Method-Override: DELETE",
            )
        )
        return Oddity("header", [self._request(b"GET", MAPS, header)])

    def _framing(self) -> Oddity:
        how = self._rng.choice(
            (
                b"Content-Length: -1",
                b"Content-Length: 5\r\nContent-Length: 6",
                b"Content-Length: 5\r\nTransfer-Encoding: chunked",
                b"Content-Length: +5",
                b"Content-Length: 0x5",
                b"Content-Length: 5, 5",
                b"Content-Length: 99999999999999999999",
                b"Content-Length: 5 6",
                b"Content-Length:",
                b"Transfer-Encoding: gzip",
                b"Transfer-Encoding: chunked, identity",
                b"Transfer-Encoding: xchunked",
                b"Transfer-Encoding:\x0bchunked",
                b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
                b"Content-Length: 104857600",
            )
        )
        return Oddity("framing", [self._request(b"POST", MAPS, how) + b"5\r\nhello\r\n0\r\n\r\n"])

    def _chunks(self) -> Oddity:
        body = self._object()
        good = b"%x\r\n%b\r\n0\r\n" % (len(body), body)
        tail = self._rng.choice(
            (
                good + b"\r\n",
                good + b"X-Trailer: y\r\n\r\n",
                good,
                b"zz\r\n",
                b"ffffffffffffffff\r\nx",
                b"-1\r\n",
                b"%x;a=b;c\r\n%b\r\n0\r\n\r\n" % (len(body), body),
                b"".join(b"1\r\n%b\r\n" % bytes([c]) for c in body) + b"0\r\n\r\n",
                b"3\r\nabcdef\r\n0\r\n\r\n",
                b"5" + b";" * 40_000 + b"\r\nhello\r\n0\r\n\r\n",
            )
        )
        more = (b"Transfer-Encoding: chunked", b"Content-Type: application/json")
        return Oddity("chunks", [self._request(b"POST", MAPS, *more) + tail])

    def _pipeline(self) -> Oddity:
        parts = [
            self._rng.choice((
                self._request(), self._request(b"POST", MAPS, body=self._object()), self._request(b"GET", b"/healthz"),
                self._request(b"GET", _WATCH), self._request(b"DELETE", MAPS + b"/gone"), b"junk\r\n\r\n", b"\r\n\r\n",
                self._request(b"POST", MAPS, body=b"{"), self._request(b"GET", b"/", b"Connection: close"),
            ))
            for _ in range(self._rng.choice((2, 5, 30)))
        ]  # fmt: skip
        whole = b"".join(parts)
        at = self._rng.randrange(len(whole))
        return Oddity("pipeline", [whole[:at], 0.01, whole[at:]])

    def _slow(self) -> Oddity:
        whole = self._request(b"POST", MAPS, body=self._object())
        cuts = sorted(self._rng.sample(range(1, len(whole)), 25))
        pieces: list[Piece] = []
        for begin, end in zip([0, *cuts], [*cuts, len(whole)], strict=True):
            pieces += [whole[begin:end], 0.02]
        return Oddity("slow", pieces[: self._rng.randrange(2, len(pieces))])

    def _cut(self) -> Oddity:
        body = self._object() * self._rng.choice((1, 1, 2000))
        whole = self._request(self._rng.choice((b"POST", b"PUT", b"PATCH")), MAPS, body=body)
        return Oddity("cut", [whole[: self._rng.randrange(1, len(whole))]])

    def _credentials(self) -> Oddity:
        header = self._rng.choice(
            (
                b"Authorization: Basic %b" % base64.b64encode(b"a:b\xff"),
                b"Authorization: Bearer ",
                b"Authorization: Bearer a.b.c",
                b"Authorization: Bearer eyJhbGciOiJub25lIn0.eyJpc3MiOiJodHRwczovL2t1YmVybmV0ZXMifQ.",
                b"Authorization: Bearer " + b"a" * 100_000,
                b"Authorization: Bearer abcdef.0123456789abcdef",
                b"Authorization: \xff",
                b"X-Remote-User: root\r\nX-Remote-Group: system:masters",
                b"Authorization: Bearer eyJhbGciOiJSUzI1NiIsImtpZCI6MX0.W10.AA",
                b"Authorization: Bearer eyJhbGciOlsxXX0.bnVsbA.AA",
            )
        )
        other = self._rng.choice(
            (
                b"Impersonate-User: ",
                b"Impersonate-User: a\r\nImpersonate-Group: \xff",
                b"Impersonate-Group: x",
                b"Impersonate-Extra-%zz: y",
                b"Impersonate-User: a\r\nImpersonate-Extra-%00: y",
                b"Impersonate-Uid: 1",
                b"X-A: b",
            )
        )
        if self._rng.random() < 0.5:
            return Oddity("impersonation", [self._request(b"GET", MAPS, other)])
        return Oddity("credentials", [b"GET %b HTTP/1.1\r\nHost: a\r\n%b\r\n%b\r\n\r\n" % (MAPS, header, other)])

    def _upgrade(self) -> Oddity:
        to = self._rng.choice((b"websocket", b"SPDY/3.1", b"h2c", b"", b"SPDY/9", b"websocket, SPDY/3.1", b"\xff"))
        path = self._rng.choice(
            (_EXEC, _WATCH, MAPS, b"/api", b"/version", _EXEC.replace(b"exec", b"portforward"), b"/nothing")
        )
        more = self._rng.choice(
            (
                b"X-Stream-Protocol-Version: v9",
                b"Sec-WebSocket-Protocol: \xff",
                b"HTTP2-Settings: AAA",
                b"Content-Length: 3",
            )
        )
        begin = self._request(
            self._rng.choice((b"GET", b"POST")), path, b"Connection: Upgrade", b"Upgrade: " + to, more
        )
        return Oddity("upgrade", [begin + os.urandom(self._rng.choice((0, 10, 70_000)))])

    def _websocket(self) -> Oddity:
        rng = self._rng
        key = rng.choice((b"dGhlIHNhbXBsZSBub25jZQ==", b"", b"x", b"\xff"))
        version = rng.choice((b"13", b"13", b"13", b"8", b"x"))
        protocols = rng.choice(
            (b"v5.channel.k8s.io", b"base64.binary.k8s.io", b"base64url.bearer.authorization.k8s.io.%%%, x", b",,")
        )
        headers = (
            b"Connection: Upgrade",
            b"Upgrade: websocket",
            b"Sec-WebSocket-Key: " + key,
            b"Sec-WebSocket-Version: " + version,
        )
        begin = self._request(b"GET", rng.choice((_WATCH, _EXEC)), *headers, b"Sec-WebSocket-Protocol: " + protocols)
        frames = rng.choice(
            (
                b"\x81\x05hello",
                b"\x82\xff" + b"\x7f" + b"\xff" * 7 + b"\0\0\0\0",
                b"\x80\x80\0\0\0\0",
                b"\x89\x80\0\0\0\0" * 500,
                b"\x88\x82\0\0\0\0\xff\xff",
                b"\xff" * 100,
                os.urandom(3000),
                b"\x88\x80\0\0\0\0",
                b"\x01\x81\0\0\0\0a" * 100,
                b"\x81\xfe\xff\xff\0\0\0\0" + b"\xff" * 65535,
            )
        )
        return Oddity("websocket", [begin, rng.choice((0.0, 0.05)), frames])

    def _coding(self) -> Oddity:
        coding = self._rng.choice((b"gzip", b"deflate", b"br", b"identity", b"gzip, gzip", b"\xff"))
        return Oddity("coding", [self._request(b"POST", MAPS, b"Content-Encoding: " + coding, body=self._object())])

    def _expect(self) -> Oddity:
        expected = self._rng.choice((b"100-continue", b"200-ok", b""))
        whole = self._request(b"POST", MAPS, b"Expect: " + expected, body=self._object())
        at = whole.index(b"\r\n\r\n") + 4
        return Oddity("expect", [whole[:at], 0.05, whole[at:]])

    def _junk(self) -> Oddity:
        whole = bytearray(self._request(b"POST", MAPS, body=self._object()))
        for _ in range(self._rng.choice((1, 3, 30))):
            whole[self._rng.randrange(len(whole))] = self._rng.randrange(256)
        return Oddity("junk", [bytes(whole)])

    def _handshake(self) -> Oddity:
        pieces: tuple[bytes, ...] = (
            b"GET / HTTP/1.1\r\n\r\n",
            os.urandom(500),
            b"\x16\x03\x01\x02\x00\x01",
            b"\x16\x03\x01\xff\xff" + b"\0" * 9,
            b"\x15\x03\x01\x00\x02\x02\x28",
            b"",
        )
        return Oddity("handshake", [self._rng.choice(pieces)], tls=False)
