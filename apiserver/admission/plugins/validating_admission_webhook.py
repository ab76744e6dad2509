"""ValidatingAdmissionWebhook: all webhooks concerned are asked at once; every one must allow the request."""

from __future__ import annotations

import asyncio

from apiserver.admission.matching import EXEMPT
from apiserver.admission.plugin import Outcome, Plugin, Setup
from apiserver.admission.webhooks.hooks import Hook, Hooks
from apiserver.interfaces import AdmissionRequest
from pocketkube.api.kinds.kind import Kind


class ValidatingAdmissionWebhook(Plugin):
    name = "ValidatingAdmissionWebhook"

    def __init__(self, setup: Setup):
        super().__init__(setup)
        self._hooks = Hooks(setup, "validatingwebhookconfigurations", self.name)

    async def close(self) -> None:
        await self._hooks.close()

    def interested(self, kind: Kind, operation: str, subresource: str) -> bool:
        return kind.resource not in EXEMPT

    def validate(self, request: AdmissionRequest) -> Outcome:
        concerned = self._hooks.concerned(request)
        return self._run(request, concerned) if concerned else None

    async def _run(self, request: AdmissionRequest, concerned: list[tuple[Hook, Kind]]) -> None:
        asked = (
            self._hooks.ask(hook, kind, request, call=f"round_0_index_{index}")
            for index, (hook, kind) in enumerate(concerned)
        )
        for outcome in await asyncio.gather(*asked, return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome


ADMISSION = ValidatingAdmissionWebhook
