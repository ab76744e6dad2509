"""Continue tokens: the revision that all pages of a list share, and the key that the next one starts at."""

from __future__ import annotations

import base64
import binascii

import orjson

from apiserver.request import parse_integer
from pocketkube.api.meta import errors

INCONSISTENT = -1  # the next page is of the store as it is then


def encode(revision: int, start: str) -> str:
    value = {"v": "meta.k8s.io/v1", "rv": revision, "start": start}
    return base64.urlsafe_b64encode(orjson.dumps(value)).rstrip(b"=").decode()


def decode(token: str) -> tuple[int, str]:
    """(revision, start). Raises BadRequest for a token that this server cannot have given."""
    try:
        value = orjson.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        version, revision, start = value["v"], parse_integer(str(value["rv"])), str(value["start"])
    except (ValueError, KeyError, TypeError, binascii.Error):
        raise errors.BadRequest(
            "invalid continue token: continue key is not valid: illegal base64 data or encoding"
        ) from None
    if version != "meta.k8s.io/v1" or (revision <= 0 and revision != INCONSISTENT):
        raise errors.BadRequest(
            f"invalid continue token: continue key is not valid: incorrect encoded start resourceVersion or version {version}"
        )
    if start.startswith("/") or ".." in start.split("/"):
        raise errors.BadRequest("invalid continue token: continue key is not valid: invalid path traversal")
    return revision, start


def expired(start: str) -> errors.Expired:
    """410 for a revision that is compacted; the token in it goes on from `start` without consistency."""
    if not start:
        return errors.Expired("The resourceVersion for the provided list is too old.")
    error = _ExpiredPage(
        "The provided continue parameter is too old to display a consistent list result. You can start a new list without the "
        "continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing "
        "with the provided token results in an inconsistent list - objects that were created, modified, or deleted between "
        "the time the first chunk was returned and now may show up in the list."
    )
    error.token = encode(INCONSISTENT, start)
    return error


class _ExpiredPage(errors.Expired):
    token = ""

    def to_status(self) -> errors.Obj:
        return super().to_status() | {"metadata": {"continue": self.token}}
