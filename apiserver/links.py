"""Links of a page behind the proxy, made to lead through the proxy again: absolute paths get its prefix, all else stays."""

from __future__ import annotations

import html
import posixpath
import re
import zlib
from urllib.parse import urlsplit, urlunsplit

# Which attributes of which elements are addresses, by HTML.
_ATTRIBUTES: dict[bytes, frozenset[bytes]] = {
    element.encode(): frozenset(name.encode() for name in names.split())
    for element, names in {
        "a": "href", "applet": "codebase", "area": "href", "audio": "src", "base": "href", "blockquote": "cite",
        "body": "background", "button": "formaction", "command": "icon", "del": "cite", "embed": "src", "form": "action",
        "frame": "longdesc src", "head": "profile", "html": "manifest", "iframe": "longdesc src",
        "img": "longdesc src usemap", "input": "src usemap formaction", "ins": "cite", "link": "href",
        "object": "classid codebase data usemap", "q": "cite", "script": "src", "source": "src", "video": "poster src",
    }.items()
}  # fmt: skip
_TAG = re.compile(rb"<([a-zA-Z][^\s/>]*)((?>[^>\"']|\"[^\"]*\"|'[^']*')*)>")
_ATTRIBUTE = re.compile(rb"([^\s=>/\"']+)(\s*=\s*)(\"[^\"]*\"|'[^']*'|[^\s\"'>]+)")
_RAW = frozenset((b"script", b"style", b"textarea", b"title", b"xmp", b"iframe", b"noembed", b"noframes"))


class Links:
    """`prefix`: the path under which the page's host is seen; `hosts`: the names of that host that links may carry."""

    def __init__(self, prefix: str, *, hosts: tuple[str, ...]):
        self.prefix = prefix
        self._hosts = hosts

    def rewrite(self, link: str) -> str:
        """An absolute path on the page's own host, with the prefix before it; anything else as it was."""
        try:
            parts = urlsplit(link)
        except ValueError:
            return link
        if (parts.netloc and parts.netloc not in self._hosts) or not parts.path.startswith("/"):
            return link
        path = parts.path
        if not path.startswith(self.prefix):
            path = posixpath.normpath(self.prefix + path)
            if parts.path.endswith("/") and not path.endswith("/"):
                path += "/"
        return urlunsplit(("", "", path, parts.query, parts.fragment))

    def page(self, text: bytes) -> bytes:
        """A page with its links rewritten; comments, scripts and styles stay as they are."""
        made: list[bytes] = []
        at = done = 0
        while (at := text.find(b"<", at)) >= 0:
            if text.startswith(b"<!--", at):
                at = text.find(b"-->", at)
                if at < 0:
                    break
                continue
            tag = _TAG.match(text, at)
            if tag is None:
                if text[at + 1 : at + 2].isalpha():
                    break  # a tag that never ends takes the rest of the page
                at += 1
                continue
            made += (text[done:at], self._tag(tag))
            at = done = tag.end()
            if (name := tag[1].lower()) in _RAW:
                end = re.compile(rb"</" + re.escape(name), re.I).search(text, at)
                if end is None:
                    break
                at = end.start() + 1
        return b"".join((*made, text[done:]))

    def _tag(self, tag: re.Match[bytes]) -> bytes:
        names = _ATTRIBUTES.get(tag[1].lower())
        if names is None:
            return tag[0]

        def replaced(attribute: re.Match[bytes]) -> bytes:
            if attribute[1].lower() not in names:
                return attribute[0]
            given = html.unescape(attribute[3].strip(b"\"'").decode(errors="surrogateescape"))
            new = self.rewrite(given)
            if new == given:
                return attribute[0]
            value = html.escape(new).encode(errors="surrogateescape")
            return b'%b%b"%b"' % (attribute[1], attribute[2], value)

        return b"<%b%b>" % (tag[1], _ATTRIBUTE.sub(replaced, tag[2]))

    def encoded_page(self, data: bytes, encoding: str, *, most: int) -> bytes | None:
        """A page in a content encoding; None for an encoding or data that cannot be read, or past `most` bytes unpacked."""
        if not encoding:
            return self.page(data)
        bits = {"gzip": 31, "deflate": -15}.get(encoding)
        if bits is None:
            return None
        try:
            unpacking = zlib.decompressobj(bits)
            text = unpacking.decompress(data, most)
        except zlib.error:
            return None
        if not unpacking.eof:
            return None
        packing = zlib.compressobj(wbits=bits)
        return packing.compress(self.page(text)) + packing.flush()
