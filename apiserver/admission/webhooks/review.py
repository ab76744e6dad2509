"""AdmissionReview: the body that goes to a webhook, and the reading of what comes back. Pure."""

from __future__ import annotations

import base64
from typing import Any, NamedTuple

import orjson

from apiserver.admission.matching import Versioned
from apiserver.authn.reviews import user_info
from apiserver.interfaces import AdmissionRequest
from pocketkube.api.kinds.kind import Kind
from pocketkube.api.meta import errors

Obj = dict[str, Any]

PATCHES = "patch.webhook.admission.k8s.io/"  # of annotations for the audit log, at level Request and above
VERSIONS = ("v1", "v1beta1")
_OPTIONS = {"CREATE": "CreateOptions", "UPDATE": "UpdateOptions", "DELETE": "DeleteOptions"}


class Malformed(Exception):
    """A webhook's answer that is no answer."""


class Answer(NamedTuple):
    """What a webhook said. `patch` are JSON patch operations."""

    allowed: bool
    status: Obj
    patch: list[Obj]
    warnings: list[str]
    annotations: dict[str, str]


def review(request: AdmissionRequest, versioned: Versioned, *, uid: str, version: str) -> Obj:
    body = request_body(request, versioned, uid=uid)
    return {"kind": "AdmissionReview", "apiVersion": f"admission.k8s.io/{version}", "request": body}


def request_body(request: AdmissionRequest, versioned: Versioned, *, uid: str) -> Obj:
    """AdmissionRequest of admission/v1."""
    body: Obj = {
        "uid": uid,
        "kind": _kind_of(request, versioned.kind, versioned.obj),
        "resource": _resource_of(versioned.kind),
        "requestKind": _kind_of(request, request.kind, request.obj),
        "requestResource": _resource_of(request.kind),
        "operation": request.operation,
        "userInfo": user_info(request.user),
        "object": versioned.obj,
        "oldObject": versioned.old,
        "dryRun": request.dry_run,
        "options": _options(request),
    }
    if request.subresource:
        body["subResource"] = body["requestSubResource"] = request.subresource
    if request.name and not request.nameless:
        body["name"] = request.name
    if namespace := request.namespace or (request.name if request.kind.resource == "namespaces" else ""):
        body["namespace"] = namespace
    return body


def _kind_of(request: AdmissionRequest, kind: Kind, obj: Obj | None) -> Obj:
    """Of the body: a subresource's is often another kind than its parent's."""
    if request.subresource and obj is not None and obj.get("kind") and obj.get("apiVersion"):
        group, _, version = obj["apiVersion"].rpartition("/")
        return {"group": group, "version": version, "kind": obj["kind"]}
    return {"group": kind.group, "version": kind.version, "kind": kind.kind}


def _resource_of(kind: Kind) -> Obj:
    return {"group": kind.group, "version": kind.version, "resource": kind.plural}


def _options(request: AdmissionRequest) -> Obj | None:
    if request.operation == "CONNECT":
        return None
    return {**request.options, "kind": _OPTIONS[request.operation], "apiVersion": "meta.k8s.io/v1"}


def read(body: bytes, *, uid: str, version: str, hook: str) -> Answer:
    """Raises Malformed."""
    try:
        found = orjson.loads(body)
    except ValueError as failure:
        raise Malformed(f"couldn't get version/kind; json parse error: {failure}") from failure
    if not isinstance(found, dict):
        raise Malformed("the answer is no object")
    wanted = ("AdmissionReview", f"admission.k8s.io/{version}")
    given = (found.get("kind") or "", found.get("apiVersion") or "")
    if given != wanted and (version == "v1" or given != ("", "")):
        raise Malformed(
            f"expected webhook response of admission.k8s.io/{version}, Kind=AdmissionReview, got {given[1]}, Kind={given[0]}"
        )
    response = found.get("response")
    if not isinstance(response, dict):
        raise Malformed("webhook response was absent")
    if version == "v1" and response.get("uid") != uid:
        raise Malformed(f'expected response.uid="{uid}", got "{response.get("uid", "")}"')
    annotations = {f"{hook}/{key}": str(value) for key, value in (response.get("auditAnnotations") or {}).items()}
    warnings = [str(w) for w in response.get("warnings") or ()]
    return Answer(bool(response.get("allowed")), response.get("status") or {}, _patch(response), warnings, annotations)


def _patch(response: Obj) -> list[Obj]:
    if not response.get("patch"):
        return []
    if response.get("patchType", "JSONPatch") != "JSONPatch":
        raise Malformed(f"invalid response.patchType {response['patchType']!r}")
    try:
        found = orjson.loads(base64.b64decode(response["patch"], validate=True))
    except ValueError as failure:
        raise Malformed(f"invalid response.patch: {failure}") from failure
    if not isinstance(found, list):
        raise Malformed("invalid response.patch: no list of operations")
    return found


def denial(hook: str, status: Obj) -> errors.StatusError:
    """The refusal as the client gets it: the hook's code and reason, its words after ours."""
    who = f'admission webhook "{hook}" denied the request'
    said = status.get("message") or status.get("reason")
    code = int(status.get("code") or 0)
    message = f"{who}: {said}" if said else f"{who} without explanation"
    refusal = errors.StatusError(message, details=status.get("details") or None, code=max(code, 400))
    refusal.reason = status.get("reason") or ("Forbidden" if code == 403 else "")
    return refusal
