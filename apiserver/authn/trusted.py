"""The issuers that are trusted now: given by flags, or by a file that is read again whenever it changes."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from apiserver.authn import configuration
from apiserver.authn.bearer import Bearer, BearerAuthenticator
from apiserver.authn.configuration import Authentication
from apiserver.authn.oidc.settings import Issuer
from apiserver.authn.oidc.tokens import IdTokens
from pocketkube.base import tasks
from pocketkube.base.clock import Clock, SystemClock

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0


class TrustedIssuers(BearerAuthenticator):
    """A `BearerAuthenticator` over those of all issuers. What was verified before a change is verified anew after it."""

    def __init__(
        self,
        issuers: Sequence[Issuer] = (),
        *,
        file: str = "",
        own_issuers: Sequence[str] = (),
        clock: Clock | None = None,
    ):
        """Raises OSError and ValueError for a file that cannot be used; `own_issuers` are of service accounts."""
        self._file, self._own = Path(file) if file else None, frozenset(own_issuers)
        self._clock = clock or SystemClock()
        self._text = self._file.read_text() if self._file else ""
        self.settings = Authentication()
        self._tokens: tuple[IdTokens, ...] = ()
        self._take(self._read(self._text) if self._file else Authentication(issuers=tuple(issuers)))

    async def authenticate(self, token: str, audiences: Sequence[str] = ()) -> Bearer | None:
        trusted = self._tokens
        for tokens in trusted:
            found = await tokens.authenticate(token, audiences)
            if found is not None:
                return replace(found, holds=lambda: self._tokens is trusted)
        return None

    async def run(self) -> None:
        """Fetch keys ahead of the first token, and follow the file."""
        self._warm()
        while self._file is not None:
            await self._clock.sleep(LOOK_SECONDS)
            await self.look()

    async def look(self) -> None:
        """Take the file as it is now; one that is broken changes nothing."""
        assert self._file is not None
        try:
            text = self._file.read_text()
            if text == self._text:
                return
            self._text = text
            found = self._read(text)
        except (OSError, ValueError) as failure:
            log.error("Not taking the changed authentication configuration: %s", failure)
            return
        before = self._tokens
        self._take(found)
        log.info("The authentication configuration has changed: %d issuers", len(self._tokens))
        self._warm()
        for tokens in before:
            if tokens not in self._tokens:
                await tokens.close()

    def _read(self, text: str) -> Authentication:
        found = configuration.parse(text)
        for i, issuer in enumerate(found.issuers):
            if issuer.url in self._own:
                raise ValueError(
                    f'jwt[{i}].issuer.url: Invalid value: "{issuer.url}": URL must not overlap with disallowed issuers: '
                    f"[{' '.join(sorted(self._own))}]"
                )
        return found

    def _take(self, found: Authentication) -> None:
        """An issuer that has not changed keeps its keys."""
        kept = {tokens.issuer: tokens for tokens in self._tokens}
        self._tokens = tuple(kept.get(issuer) or IdTokens(issuer) for issuer in found.issuers)
        self.settings = found

    def _warm(self) -> None:
        for tokens in self._tokens:
            tasks.spawn(f"keys of {tokens.issuer.url}", tokens.provider.run())

    async def close(self) -> None:
        for tokens in self._tokens:
            await tokens.close()
