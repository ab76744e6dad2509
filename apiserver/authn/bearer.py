"""What every kind of bearer token has in common: a token in, a subject and how long it holds out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from apiserver.interfaces import User


class InvalidToken(Exception):
    """The token is of a kind we know and does not hold; the text says why, for logs and TokenReview."""


@dataclass(frozen=True, slots=True)
class Bearer:
    """A verified token. `expires` is in Unix seconds; `holds` says cheaply whether what it is bound to is still there."""

    user: User
    audiences: tuple[str, ...] = ()
    expires: float = float("inf")
    holds: Callable[[], bool] | None = None


class BearerAuthenticator(Protocol):
    async def authenticate(self, token: str, audiences: Sequence[str] = ()) -> Bearer | None:
        """None: not a token of this kind. `audiences` () means the API's own. Raises InvalidToken."""

    async def close(self) -> None:
        """Give back what is held open: nothing, for most."""
        return
