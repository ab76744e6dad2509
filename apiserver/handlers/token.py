"""serviceaccounts/NAME/token: a token for a service account, bound to a pod, secret or node if asked."""

from __future__ import annotations

from typing import Any

from apiserver.api import Api
from apiserver.decoding import read_object, writer_of
from apiserver.freshness import wait_for
from apiserver.interfaces import AdmissionRequest
from apiserver.registry.resource import Resource
from apiserver.representation import respond
from apiserver.request import Request, Response
from pocketkube.api.kinds.kind import Kind
from pocketkube.api.meta import errors, field, times
from pocketkube.api.schema import Schema

Obj = dict[str, Any]

TOKEN_REQUEST = Kind(
    group="authentication.k8s.io",
    version="v1",
    kind="TokenRequest",
    plural="",
    namespaced=True,
    schema=Schema.of("io.k8s.api.authentication.v1.TokenRequest"),
)
_LEAST_SECONDS, _MOST_SECONDS, _DEFAULT_SECONDS = 600, 1 << 32, 3600
_BINDABLE = {("v1", "Pod"): "pods", ("v1", "Secret"): "secrets", ("v1", "Node"): "nodes"}


async def handle(api: Api, request: Request, resource: Resource) -> Response:
    """`resource` is serviceaccounts."""
    if api.tokens is None:
        raise errors.InternalError("tokens cannot be issued: no --service-account-signing-key-file was given")
    info = request.info
    writer = writer_of(request, "CreateOptions")
    asked = await read_object(request, resource, writer, kind=TOKEN_REQUEST)
    await wait_for(api.registry, resource, "")
    account = resource.cache.get(info.namespace, info.name)
    if account is None:
        raise errors.not_found("", "serviceaccounts", info.name)
    admitted = AdmissionRequest(
        "CREATE", resource.kind, info.namespace, info.name, "token", asked, None, request.user, writer.dry_run,
        warnings=writer.warnings,
    )  # fmt: skip
    await api.registry.admission.mutate(admitted)
    await api.registry.admission.validate(admitted)
    spec: Obj = asked.setdefault("spec", {})
    seconds = _seconds(spec, info.name)
    bound, node = _bound(api, info.namespace, info.name, spec.get("boundObjectRef"))
    audiences = [a for a in spec.get("audiences") or () if a] or list(api.tokens.audiences)
    token, expiry = api.tokens.issue(
        account.obj, audiences=audiences, expiration_seconds=seconds, bound_object=bound, node=node
    )
    spec |= {"audiences": audiences, "expirationSeconds": seconds}
    asked["metadata"] = {
        "name": info.name,
        "namespace": info.namespace,
        "creationTimestamp": times.rfc3339(api.registry.clock.now()),
    }
    asked["status"] = {"token": token, "expirationTimestamp": times.rfc3339(expiry)}
    return respond(request, asked, status=201)


def _seconds(spec: Obj, name: str) -> int:
    seconds: int = spec.get("expirationSeconds") or _DEFAULT_SECONDS
    path, why = "spec.expirationSeconds", ""
    if seconds < _LEAST_SECONDS:
        why = "may not specify a duration less than 10 minutes"
    elif seconds > _MOST_SECONDS:
        why = "may not specify a duration larger than 2^32 seconds"
    if why:
        raise errors.invalid("authentication.k8s.io", "TokenRequest", name, [field.invalid(path, seconds, why)])
    return seconds


def _bound(
    api: Api, namespace: str, account: str, reference: Obj | None
) -> tuple[tuple[str, str, str] | None, tuple[str, str] | None]:
    """((kind, name, uid) of what the token is bound to, (name, uid) of a pod's node). Raises BadRequest, NotFound, Conflict."""
    if not reference:
        return None, None
    kind, name = reference.get("kind", ""), reference.get("name", "")
    plural = _BINDABLE.get((reference.get("apiVersion") or "v1", kind))
    if plural is None:
        raise errors.BadRequest(f'cannot bind token for serviceaccount "{account}" to object of type {kind!r}')
    entry = api.registry.by_plural("", plural).cache.get("" if plural == "nodes" else namespace, name)
    if entry is None:
        raise errors.not_found("", plural, name)
    obj = entry.obj
    uid = obj["metadata"]["uid"]
    if reference.get("uid") and reference["uid"] != uid:
        raise errors.conflict(
            "", plural, name, f"the UID in the bound object reference ({reference['uid']}) does not match the UID in record. "
            f"The object might have been deleted and then recreated",
        )  # fmt: skip
    node = _node_of(api, account, obj) if plural == "pods" else None
    return (kind, name, uid), node


def _node_of(api: Api, account: str, pod: Obj) -> tuple[str, str] | None:
    spec = pod["spec"]
    if spec.get("serviceAccountName", "default") != account:
        raise errors.BadRequest(
            f'cannot bind token for serviceaccount "{account}" to pod running with different serviceaccount name.'
        )
    node = spec.get("nodeName")
    if not node:
        return None
    entry = api.registry.by_plural("", "nodes").cache.get("", node)
    return node, entry.obj["metadata"]["uid"] if entry else ""
