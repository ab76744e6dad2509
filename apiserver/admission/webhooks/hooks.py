"""The hooks of all stored configurations, compiled; and the asking of one, with everything its settings say."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator
from typing import Any, Literal

from apiserver.admission.conditions import ConditionFailed, Conditions, answer_by, variables_of
from apiserver.admission.matching import GROUP, Constraints, Versioned, brought_to
from apiserver.admission.plugin import Setup
from apiserver.admission.webhooks import deadlines, identities, measures, review
from apiserver.admission.webhooks.calling import CallFailed, WebhookCaller
from apiserver.asking import settled
from apiserver.interfaces import AdmissionRequest
from pocketkube.api import cel
from pocketkube.api.cel.library import authorizer as asking
from pocketkube.api.kinds.kind import Kind
from pocketkube.api.meta import errors

log = logging.getLogger(__name__)

Obj = dict[str, Any]


class Hook:
    """One webhook of one configuration."""

    def __init__(self, configuration: str, spec: Obj, index: int):
        self.configuration = configuration
        self.index = index  # among all hooks of its kind
        self.spec = spec
        self.name: str = spec.get("name", "")
        self.uid = (configuration, self.name)
        self.reinvoked = spec.get("reinvocationPolicy") == "IfNeeded"
        self.ignores_failure = spec.get("failurePolicy", "Fail") == "Ignore"
        self._constraints = Constraints(spec, spec.get("rules") or ())
        self._conditions = spec.get("matchConditions") or ()

    def match(self, request: AdmissionRequest, setup: Setup) -> Kind | None:
        return self._constraints.match(request, setup.cluster, setup.kind_of)

    def holds(self, request: AdmissionRequest, versioned: Versioned, setup: Setup) -> bool:
        """Its match conditions. A failing one counts as the failure policy says: raises InternalError, or is a no."""
        if not self._conditions:
            return True
        try:
            conditions = Conditions(self._conditions)
            with asking.answering(answer_by(setup.authorizer, request.user)):
                return conditions.hold(variables_of(request, versioned))
        except (ConditionFailed, cel.CompileError) as failure:
            if self.ignores_failure:
                return False
            raise errors.forbidden(request.kind.group, request.kind.plural, request.name, str(failure)) from failure

    def check_dry_run(self, request: AdmissionRequest) -> None:
        if request.dry_run and self.spec.get("sideEffects") not in ("None", "NoneOnDryRun"):
            raise errors.BadRequest(f'admission webhook "{self.name}" does not support dry run')


class Hooks:
    """Every hook of a kind of configuration, in order, read anew when one of them changes."""

    def __init__(self, setup: Setup, plural: str, plugin: str):
        self._setup, self._plural = setup, plural
        mutating = plural.startswith("mutating")
        self._type = "admit" if mutating else "validating"  # as metrics call it
        self._phase = "mutation" if mutating else "validating"  # as the audit log does
        self._caller = WebhookCaller(setup.cluster, identities.load(setup.configuration.get(plugin)))
        self._revision = -1
        self._hooks: tuple[Hook, ...] = ()

    async def close(self) -> None:
        await self._caller.close()

    def all(self) -> tuple[Hook, ...]:
        cluster = self._setup.cluster
        revision = cluster.revision(GROUP, self._plural)
        if revision != self._revision:
            found = sorted(cluster.list(GROUP, self._plural), key=lambda c: str(c["metadata"]["name"]))
            self._hooks = tuple(_hooks(found))
            self._revision = revision
        return self._hooks

    def kind_for(self, hook: Hook, request: AdmissionRequest) -> Kind | None:
        """The kind, in the version that the hook asks for; None where it is not concerned."""
        return hook.match(request, self._setup)

    def concerned(self, request: AdmissionRequest) -> list[tuple[Hook, Kind]]:
        hooks = self.all()
        if not hooks:
            return []
        matched = ((hook, hook.match(request, self._setup)) for hook in hooks)
        return [(hook, kind) for hook, kind in matched if kind is not None]

    async def ask(
        self, hook: Hook, kind: Kind, request: AdmissionRequest, *, call: str
    ) -> review.Answer | Literal[False] | None:
        """None where a condition leaves the hook out, False where it failed and may be ignored. `call` names the call in
        the audit log: `round_0_index_2`. Raises StatusError."""
        versioned = await brought_to(request, kind)
        if not await settled(lambda: hook.holds(request, versioned, self._setup)):
            return None
        hook.check_dry_run(request)
        counted = measures.Call(hook.name, self._type, request.operation)
        try:
            answer = await self._call(hook, versioned, request)
        except (CallFailed, review.Malformed) as failure:
            words = f'failed calling webhook "{hook.name}": {failure}'
            counted.failed(ignored=hook.ignores_failure)
            deadlines.check()
            if hook.ignores_failure:
                log.warning("%s; ignored, as its failure policy says", words)
                request.annotations[f"failed-open.{self._phase}.webhook.admission.k8s.io/{call}"] = hook.name
                return False
            raise errors.InternalError(f"Internal error occurred: {words}") from failure
        counted.answered(allowed=answer.allowed, code=int(answer.status.get("code") or 400))
        request.warnings += answer.warnings
        request.annotations |= answer.annotations
        if not answer.allowed:
            raise review.denial(hook.name, answer.status)
        return answer

    async def _call(self, hook: Hook, versioned: Versioned, request: AdmissionRequest) -> review.Answer:
        known = [v for v in hook.spec.get("admissionReviewVersions") or ("v1",) if v in review.VERSIONS]
        if not known:
            raise CallFailed("webhook does not accept known AdmissionReview versions (v1, v1beta1)")
        uid = str(uuid.uuid4())
        body = review.review(request, versioned, uid=uid, version=known[0])
        seconds = min(int(hook.spec.get("timeoutSeconds") or 10), deadlines.seconds_left())
        answered = await self._caller.call(hook.spec.get("clientConfig") or {}, body, seconds=seconds)
        return review.read(answered, uid=uid, version=known[0], hook=hook.name)


def _hooks(configurations: list[Obj]) -> Iterator[Hook]:
    every = ((c["metadata"]["name"], spec) for c in configurations for spec in c.get("webhooks") or ())
    for index, (configuration, spec) in enumerate(every):
        yield Hook(configuration, spec, index)
