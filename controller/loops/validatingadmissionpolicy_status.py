"""ValidatingAdmissionPolicy status: says in a policy's status what its expressions get wrong about the kinds it is for.

The kinds and their schemas are asked of the API server: discovery and OpenAPI v3.
"""

from __future__ import annotations

from typing import Any

from controller.context import Context, Controller, Run
from controller.reconciler import Reconciler
from pocketkube.api.meta import errors
from pocketkube.client.resources import VALIDATINGADMISSIONPOLICIES
from pocketkube.client.rest import Client

Obj = dict[str, Any]

MANAGER = "validatingadmissionpolicy-status"


class Schemas:
    """What an API server says of its kinds, asked once for each group and version."""

    def __init__(self, client: Client):
        self._client = client
        self._kinds: dict[tuple[str, str], dict[str, str]] = {}
        self._schemas: dict[tuple[str, str], dict[tuple[str, str, str], Obj]] = {}

    async def kind(self, group: str, version: str, resource: str) -> str:
        """ "" where there is none."""
        if (group, version) not in self._kinds:
            listed = (await self._get(f"/{_path(group, version)}")).get("resources") or ()
            self._kinds[group, version] = {found["name"]: found["kind"] for found in listed}
        return self._kinds[group, version].get(resource, "")

    async def schema(self, group: str, version: str, kind: str) -> Obj | None:
        from pocketkube.api.schema.references import by_kind

        if (group, version) not in self._schemas:
            self._schemas[group, version] = by_kind(await self._get(f"/openapi/v3/{_path(group, version)}"))
        return self._schemas[group, version].get((group, version, kind))

    async def _get(self, path: str) -> Obj:
        try:
            return await self._client.request("GET", path)
        except errors.NotFound:
            return {}


def _path(group: str, version: str) -> str:
    return f"apis/{group}/{version}" if group else f"api/{version}"


async def found_wrong(policy: Obj, schemas: Schemas) -> list[Obj]:
    """The warnings about a policy."""
    from pocketkube.api.cel import policytypes

    kinds: list[policytypes.Typed] = []
    for group, version, resource in policytypes.resources(policy):
        kind = await schemas.kind(group, version, resource)
        schema = await schemas.schema(group, version, kind) if kind else None
        if schema is not None:
            kinds.append(policytypes.Typed(group, version, kind, schema))
    params = None
    if (wanted := policy["spec"].get("paramKind")) is not None:
        group, _, version = wanted["apiVersion"].rpartition("/")
        params = await schemas.schema(group, version, wanted["kind"])
    return policytypes.warnings(policy, kinds, params)


def status(policy: Obj, warnings: list[Obj]) -> Obj:
    """What is applied."""
    said = {"expressionWarnings": warnings} if warnings else {}
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": policy["metadata"]["name"]},
        "status": {"observedGeneration": policy["metadata"].get("generation", 0), "typeChecking": said},
    }


def start(context: Context) -> Run:
    policies = context.informer(VALIDATINGADMISSIONPOLICIES)

    async def reconcile(name: str) -> None:
        policy = policies.store.get(name)
        if policy is None:
            return
        seen = (policy.get("status") or {}).get("observedGeneration") or 0
        if policy["metadata"].get("generation", 0) <= seen:
            return
        applied = status(policy, await found_wrong(policy, Schemas(context.client)))
        try:
            await context.client.patch(
                VALIDATINGADMISSIONPOLICIES, name, applied, type="apply", subresource="status",
                fieldManager=MANAGER, force="true",
            )  # fmt: skip
        except errors.NotFound:
            return

    work = Reconciler("validatingadmissionpolicy-status", reconcile, clock=context.clock, workers=1)

    def wake(policy: Obj) -> None:
        work.add(policy["metadata"]["name"])

    policies.add_handler(on_add=wake, on_update=lambda old, new: wake(new))
    return work.run((policies,))


CONTROLLER = Controller(
    "validatingadmissionpolicy-status-controller",
    "validatingadmissionpolicy-status-controller",
    start,
    aliases=("validatingadmissionpolicy-status",),
)
