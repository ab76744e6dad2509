"""How those behind us learn who asks: headers that they believe because of our certificate."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import quote

from apiserver.backends import Headers
from apiserver.interfaces import User

CHECKER = User("system:kube-aggregator", groups=("system:masters",))
READER = User("system:aggregator", groups=("system:authenticated",))  # of documents that everyone may see

_TOKEN = "!#$&'*+-.^_`|~"  # what a header's name may hold beside letters and digits


def headers_of(user: User) -> list[tuple[bytes, bytes]]:
    """The front proxy's headers. Keys of extra values are percent-encoded where a header's name could not hold them."""
    found = [(b"x-remote-user", user.name)]
    if user.uid:
        found.append((b"x-remote-uid", user.uid))
    found += [(b"x-remote-group", group) for group in user.groups]
    for key, values in user.extra.items():
        name = b"x-remote-extra-" + quote(key.lower(), safe=_TOKEN).encode()
        found += [(name, value) for value in values]
    return [(name, _one_line(value)) for name, value in found]


def _one_line(value: str) -> bytes:
    return value.replace("\r", " ").replace("\n", " ").encode()


def anonymous(headers: Headers, names: Iterable[str] = ()) -> list[tuple[bytes, bytes]]:
    """Headers without what a client may have said about who it is; `names`: further ones that mean that, lower case."""
    claimed = (b"x-remote-", *(name.encode() for name in names))
    return [(name, value) for name, value in headers if not name.startswith(claimed)]
