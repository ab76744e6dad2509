"""MutatingAdmissionWebhook: webhooks change requests one after another; one may ask to see what later ones changed."""

from __future__ import annotations

from typing import Any

import orjson

from apiserver.admission.matching import EXEMPT, brought_back, brought_to
from apiserver.admission.plugin import Outcome, Plugin, Setup
from apiserver.admission.reinvocation import anybody_due, invoked
from apiserver.admission.webhooks.hooks import Hook, Hooks
from apiserver.admission.webhooks.review import PATCHES, Answer
from apiserver.interfaces import AdmissionRequest
from pocketkube.api.kinds.kind import Kind
from pocketkube.api.meta import errors
from pocketkube.api.meta.patches.jsonpatch import json_patch

Obj = dict[str, Any]


class MutatingAdmissionWebhook(Plugin):
    name = "MutatingAdmissionWebhook"

    def __init__(self, setup: Setup):
        super().__init__(setup)
        self._hooks = Hooks(setup, "mutatingwebhookconfigurations", self.name)

    async def close(self) -> None:
        await self._hooks.close()

    def interested(self, kind: Kind, operation: str, subresource: str) -> bool:
        return kind.resource not in EXEMPT

    def mutate(self, request: AdmissionRequest) -> Outcome:
        if request.again and not anybody_due(request, self.name):
            return None
        hooks = self._hooks.all()
        # One that is not concerned now may be once another has changed the object: without any nothing changes.
        return self._run(request, hooks) if any(self._hooks.kind_for(hook, request) for hook in hooks) else None

    async def _run(self, request: AdmissionRequest, hooks: tuple[Hook, ...]) -> None:
        """Each as it is concerned when its turn comes; the second time those only that want to and were asked before."""
        known = invoked(request, self.name)
        for hook in hooks:
            if request.again and not known.is_due(hook.uid):
                continue
            kind = self._hooks.kind_for(hook, request)
            if kind is None:
                continue
            mutated = await self._ask(request, hook, kind, times=int(request.again))
            if mutated:
                known.changed()
            if hook.reinvoked and mutated is not None:
                known.asked(hook.uid)
        known.leave(request.obj)

    async def _ask(self, request: AdmissionRequest, hook: Hook, kind: Kind, *, times: int) -> bool | None:
        """Whether the object was changed, None where a condition leaves the hook out. The audit log is told what the hook
        did; `times` it was asked before."""
        call = f"round_{times}_index_{hook.index}"
        answer = await self._hooks.ask(hook, kind, request, call=call)
        if answer is None:
            return None
        mutated = answer is not False and await self._change(request, hook, kind, answer, call=call)
        request.annotations[f"mutation.webhook.admission.k8s.io/{call}"] = _told(hook, mutated=mutated)
        return mutated

    async def _change(self, request: AdmissionRequest, hook: Hook, kind: Kind, answer: Answer, *, call: str) -> bool:
        if not answer.patch or request.obj is None:
            return False
        changed = await patched(request, kind, answer, hook.name)
        request.annotations[PATCHES + call] = _told(hook, patch=answer.patch, patchType="JSONPatch")
        if changed == request.obj:
            return False
        _prune(request, changed, hook.name)
        request.obj.clear()
        request.obj.update(changed)
        if request.kind.default is not None and not request.subresource:
            request.kind.default(request.obj)
        request.changed_outside = True
        return True


def _told(hook: Hook, **more: Any) -> str:
    return orjson.dumps({"configuration": hook.configuration, "webhook": hook.name, **more}).decode()


def _prune(request: AdmissionRequest, changed: Obj, hook: str) -> None:
    """Drop, in place, what a hook added and nobody knows. Raises InternalError for values of the wrong type."""
    if request.subresource not in ("", "status"):
        return
    try:
        request.kind.schema.decode(changed, mode="Ignore")
    except errors.BadRequest as failure:
        words = f'the patch of webhook "{hook}" leaves no valid object: {failure.message}'
        raise errors.InternalError(f"Internal error occurred: {words}") from failure


async def patched(request: AdmissionRequest, kind: Kind, answer: Answer, hook: str) -> Obj:
    """The object after the hook's patch, in the request's version. Raises InternalError for a patch that does not fit."""
    assert request.obj is not None
    base = (await brought_to(request, kind)).obj
    assert base is not None
    try:
        changed = json_patch(base, answer.patch)
    except errors.StatusError as failure:
        words = f'failed to apply the patch of webhook "{hook}": {failure.message}'
        raise errors.InternalError(f"Internal error occurred: {words}") from failure
    return dict(await brought_back(request, kind, changed))


ADMISSION = MutatingAdmissionWebhook
