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
_BINDABLE = {"Pod": "pods", "Secret": "secrets", "Node": "nodes"}


async def handle(api: Api, request: Request, resource: Resource) -> Response:
    """`resource` is serviceaccounts."""
    if api.tokens is None:
        raise errors.InternalError("tokens cannot be issued: no --service-account-signing-key-file was given")
    info = request.info
    writer = writer_of(request, "CreateOptions")
    asked = await read_object(request, resource, writer, kind=TOKEN_REQUEST)
    _same_place(asked.get("metadata") or {}, info.name, info.namespace)
    await wait_for(api.registry, resource, "")
    account = resource.cache.get(info.namespace, info.name)
    if account is None:
        raise errors.not_found("", "serviceaccounts", info.name)
    admitted = AdmissionRequest(
        "CREATE", resource.kind, info.namespace, info.name, "token", asked, None, request.user, writer.dry_run,
        writer.options, writer.warnings, writer.annotations,
    )  # fmt: skip
    await api.registry.admission.mutate(admitted)
    await api.registry.admission.validate(admitted)
    spec: Obj = asked.setdefault("spec", {})
    seconds = _seconds(spec)
    bound, node = _bound(api, info.namespace, info.name, spec.get("boundObjectRef"))
    audiences = spec.get("audiences") or list(api.tokens.audiences)
    if seconds > api.tokens.longest > 0:
        request.warnings.append(f"requested expiration of {seconds} seconds shortened to {api.tokens.longest} seconds")
        seconds = api.tokens.longest
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


def _same_place(meta: Obj, name: str, namespace: str) -> None:
    """What the body says of its name and namespace is what the URL says. Raises Invalid."""
    for member, expected in (("name", name), ("namespace", namespace)):
        given = meta.get(member) or expected
        if given != expected:
            wrong = field.invalid(f"metadata.{member}", given, f"must match the service account {member} if specified")
            raise errors.invalid("authentication.k8s.io", "TokenRequest", name, [wrong])


def _seconds(spec: Obj) -> int:
    seconds: int = spec.get("expirationSeconds", _DEFAULT_SECONDS)
    path, why = "spec.expirationSeconds", ""
    if seconds < _LEAST_SECONDS:
        why = "may not specify a duration less than 10 minutes"
    elif seconds > _MOST_SECONDS:
        why = "may not specify a duration larger than 2^32 seconds"
    if why:
        raise errors.invalid("authentication.k8s.io", "TokenRequest", "", [field.invalid(path, seconds, why)])
    return seconds


def _bound(
    api: Api, namespace: str, account: str, reference: Obj | None
) -> tuple[tuple[str, str, str] | None, tuple[str, str] | None]:
    """((kind, name, uid) of what the token is bound to, (name, uid) of a pod's node). Raises BadRequest, NotFound, Conflict."""
    if reference is None:
        return None, None
    kind, name = reference.get("kind", ""), reference.get("name", "")
    group, _, version = (reference.get("apiVersion") or "").rpartition("/")
    plural = _BINDABLE.get(kind) if not group else None
    if plural is None:
        raise errors.BadRequest(f"cannot bind token to object of type {group}/{version}, Kind={kind}")
    if not name:
        raise errors.BadRequest("Name parameter required.")
    entry = api.registry.by_plural("", plural).cache.get("" if plural == "nodes" else namespace, name)
    if entry is None:
        raise errors.not_found("", plural, name)
    obj = entry.obj
    uid = obj["metadata"]["uid"]
    if reference.get("uid") and reference["uid"] != uid:
        raise errors.conflict(
            "", kind, name, f"the UID in the bound object reference ({reference['uid']}) does not match the UID in record. "
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
