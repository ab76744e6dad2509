"""One invocation: which cluster, as whom, in which namespace, and where output goes."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from functools import cached_property
from typing import Any, TextIO

from kubectl.discovery import Discovery
from pocketkube.client import config as configs
from pocketkube.client.config import ClientConfig
from pocketkube.client.rest import Client

Obj = dict[str, Any]


class Session:
    """Made once from the global flags. The client and discovery come to be when first used."""

    def __init__(self, args: argparse.Namespace, *, out: TextIO | None = None, err: TextIO | None = None):
        self.args = args
        self.out = out or sys.stdout
        self.err = err or sys.stderr
        self._warned: set[str] = set()

    @cached_property
    def config(self) -> ClientConfig:
        found = configs.load(self.args.kubeconfig or None, context=self.args.context)
        a = self.args
        changes: dict[str, Any] = {}
        if a.server:
            changes["server"] = a.server
        if a.token:
            changes.update(token=a.token, cert_file="", cert_data=b"", key_file="", key_data=b"")
        if a.insecure_skip_tls_verify:
            changes["insecure"] = True
        if a.certificate_authority:
            changes.update(ca_file=a.certificate_authority, ca_data=b"")
        if a.as_user:
            changes.update(impersonate=a.as_user, impersonate_groups=tuple(a.as_group))
        return replace(found, **changes) if changes else found

    @cached_property
    def client(self) -> Client:
        made = Client(self.config, user_agent="kubectl")
        made.on_warning = self._server_warns
        return made

    def _server_warns(self, text: str) -> None:
        if text not in self._warned:
            self._warned.add(text)
            self.warn(f"Warning: {text}")

    @cached_property
    def discovery(self) -> Discovery:
        return Discovery(self.client)

    @property
    def namespace(self) -> str:
        return self.args.namespace or self.config.namespace or "default"

    def say(self, text: str = "") -> None:
        print(text, file=self.out, flush=True)

    def warn(self, text: str) -> None:
        print(text, file=self.err, flush=True)

    async def close(self) -> None:
        if "client" in self.__dict__:
            await self.client.aclose()
