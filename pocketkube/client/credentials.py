"""What proves who we are, kept fresh: token files and client certificates are renewed on disk, plugins are run again."""

from __future__ import annotations

import asyncio
import base64
import os
import ssl
from dataclasses import replace
from time import monotonic
from typing import Any

import orjson

from pocketkube.client.config import ClientConfig, ConfigError

FRESH_SECONDS = 10.0  # for how long a token file that was read is taken as it is


class Credentials:
    """The Authorization header and the TLS context of one ClientConfig."""

    def __init__(self, config: ClientConfig):
        self._config = config
        self._context: ssl.SSLContext | None = None
        self._stamp: tuple[int, int] = (0, 0)
        self._token = config.token.encode()
        self._read_at = float("-inf")
        self._plugin_until = float("-inf")

    async def authorization(self) -> bytes:
        """The header's value, or b""."""
        config = self._config
        if config.exec is not None and monotonic() > self._plugin_until:
            await self._run_plugin(dict(config.exec))
        if config.token_file and monotonic() - self._read_at > FRESH_SECONDS:
            self._read_token()
        if self._token:
            return b"Bearer " + self._token
        if config.username:
            return b"Basic " + base64.b64encode(f"{config.username}:{config.password}".encode())
        return b""

    @property
    def constant(self) -> bool:
        """The header never changes: it can be written once."""
        return not self._config.token_file and self._config.exec is None

    def refused(self) -> bool:
        """The server answered 401: what was cached is dropped. True if another try can differ."""
        self._read_at = self._plugin_until = float("-inf")
        return not self.constant

    def context(self) -> ssl.SSLContext | None:
        """The TLS context for a new connection, with the certificate as it is on disk now."""
        if self._context is None:
            self._context = self._config.tls()
            self._stamp = self._stamp_of_files()
        elif (stamp := self._stamp_of_files()) != self._stamp:
            self._config.load_certificate(self._context)
            self._stamp = stamp
        return self._context

    def _stamp_of_files(self) -> tuple[int, int]:
        return _changed_at(self._config.cert_file), _changed_at(self._config.key_file)

    def _read_token(self) -> None:
        """A file that is gone for the moment leaves the last token in use."""
        try:
            with open(self._config.token_file, "rb") as file:
                self._token = file.read().strip()
        except OSError as e:
            if not self._token:
                raise ConfigError(f"cannot read the token in {self._config.token_file}: {e.strerror}") from e
        self._read_at = monotonic()

    async def _run_plugin(self, plugin: dict[str, Any]) -> None:
        """Runs a client-go credential plugin: its ExecCredential on stdout carries a token or a certificate."""
        asked = {"apiVersion": plugin.get("apiVersion"), "kind": "ExecCredential", "spec": {"interactive": False}}
        env = {**os.environ, **{e["name"]: e["value"] for e in plugin.get("env") or []}}
        env["KUBERNETES_EXEC_INFO"] = orjson.dumps(asked).decode()
        try:
            process = await asyncio.create_subprocess_exec(
                plugin["command"], *(plugin.get("args") or []), env=env, stdout=asyncio.subprocess.PIPE
            )
            output, _ = await asyncio.wait_for(process.communicate(), 60)
            status = orjson.loads(output).get("status") or {}
        except (OSError, ValueError, KeyError, TimeoutError) as e:
            raise ConfigError(f'credential plugin "{plugin.get("command")}" failed: {e!r}') from e
        self._token = (status.get("token") or "").encode()
        if status.get("clientCertificateData"):
            cert, key = status["clientCertificateData"].encode(), (status.get("clientKeyData") or "").encode()
            self._config = replace(self._config, cert_data=cert, key_data=key)
            self._context = None
        self._plugin_until = monotonic() + _seconds_until(status.get("expirationTimestamp"))


def _seconds_until(timestamp: str | None) -> float:
    if not timestamp:
        return float("inf")
    from datetime import UTC, datetime

    return (datetime.fromisoformat(timestamp) - datetime.now(UTC)).total_seconds()


def _changed_at(path: str) -> int:
    if not path:
        return 0
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return 0
