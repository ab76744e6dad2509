"""The static token file of --token-auth-file: CSV lines `token,user,uid[,"group1,group2"]`, read once at start."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

from apiserver.authn.bearer import Bearer, BearerAuthenticator
from apiserver.interfaces import User


class TokenFile(BearerAuthenticator):
    """A `BearerAuthenticator` over fixed tokens."""

    def __init__(self, lines: Iterable[str]):
        self._bearers: dict[str, Bearer] = {}
        for row in csv.reader(line for line in lines if line.strip() and not line.startswith("#")):
            if len(row) < 3:
                raise ValueError(f"token file: a line needs token, user name and user uid, found {len(row)} columns")
            token, name, uid = (cell.strip() for cell in row[:3])
            if not token:
                raise ValueError("token file: a line has an empty token")
            groups = [g.strip() for g in row[3].split(",")] if len(row) > 3 else []
            user = User(name, uid, tuple(dict.fromkeys([*filter(None, groups), "system:authenticated"])))
            self._bearers[token] = Bearer(user)

    @classmethod
    def read(cls, path: str | Path) -> TokenFile:
        return cls(Path(path).read_text().splitlines())

    async def authenticate(self, token: str, audiences: Sequence[str] = ()) -> Bearer | None:
        return self._bearers.get(token)
