"""Custom resources between versions by a webhook: all objects of a request go out in one ConversionReview.

The webhook may change anything but who an object is: kind, name, namespace and uid stay, and of metadata it says no more
than labels and annotations.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from typing import Any

import orjson

from apiserver.admission.webhooks.calling import CallFailed, WebhookCaller
from pocketkube.api.meta import errors, names

Obj = dict[str, Any]

SECONDS = 30
_VERSIONS = ("v1", "v1beta1")
_GROUP = "apiextensions.k8s.io"
_OWN = ("labels", "annotations")  # of metadata, what a webhook may set


class Refused(Exception):
    """An answer that is none; the text ends the message that the client reads."""


class WebhookConversion:
    """The conversion of one CRD. `convert` gives the objects in another version, in their order."""

    def __init__(self, caller: WebhookCaller, webhook: Obj):
        self._caller = caller
        self._config: Obj = webhook.get("clientConfig") or {}
        known = [version for version in webhook.get("conversionReviewVersions") or () if version in _VERSIONS]
        self._version = known[0] if known else ""

    async def convert(self, objects: Sequence[Obj], api_version: str) -> list[Obj]:
        """New objects, or the same where one is in that version already. Raises StatusError."""
        others = [obj for obj in objects if obj.get("apiVersion") != api_version]
        if not others:
            return list(objects)
        subject = f"conversion webhook for {others[0].get('apiVersion')}, Kind={others[0].get('kind')}"
        try:
            made = iter(await self._ask(others, api_version, subject))
        except CallFailed as failure:
            raise _failure(f"{subject} failed: {str(failure).removeprefix('failed to call webhook: ')}") from failure
        except Refused as refused:
            raise _failure(f"{subject} {refused}") from refused
        return [obj if obj.get("apiVersion") == api_version else next(made) for obj in objects]

    async def _ask(self, objects: list[Obj], api_version: str, subject: str) -> list[Obj]:
        if not self._version:
            raise Refused("failed: no supported conversion review versions")
        uid = str(uuid.uuid4())
        body = review(objects, api_version, uid=uid, version=self._version)
        answer = await self._caller.call(self._config, body, seconds=SECONDS)
        found = read(answer, uid=uid, version=self._version)
        if len(found) != len(objects):
            raise Refused(f"returned {len(found)} objects, expected {len(objects)}")
        return [
            restored(before, after, api_version, at)
            for at, (before, after) in enumerate(zip(objects, found, strict=True))
        ]


def _failure(words: str) -> errors.StatusError:
    failure = errors.StatusError(words, code=500)
    failure.reason = ""
    return failure


def review(objects: list[Obj], api_version: str, *, uid: str, version: str) -> Obj:
    asked = {"uid": uid, "desiredAPIVersion": api_version, "objects": objects}
    return {"kind": "ConversionReview", "apiVersion": f"{_GROUP}/{version}", "request": asked}


def read(body: bytes, *, uid: str, version: str) -> list[Any]:
    """The converted objects of an answer. Raises Refused."""
    try:
        found = orjson.loads(body)
    except ValueError as failure:
        raise Refused(f"failed: couldn't get version/kind; json parse error: {failure}") from failure
    if not isinstance(found, dict):
        raise Refused("failed: the answer is no object")
    if version == "v1" and (found.get("kind"), found.get("apiVersion")) != ("ConversionReview", f"{_GROUP}/v1"):
        got = f"{found.get('apiVersion') or ''}, Kind={found.get('kind') or ''}"
        raise Refused(f"failed: expected webhook response of {_GROUP}/v1, Kind=ConversionReview, got {got}")
    response = found.get("response")
    if not isinstance(response, dict):
        raise Refused("failed: no response provided")
    if version == "v1" and response.get("uid") != uid:
        raise Refused(f'failed: expected response.uid="{uid}", got "{response.get("uid") or ""}"')
    result = response.get("result") or {}
    if result.get("status") != "Success":
        said = result.get("message") or f"response.result.status was '{result.get('status') or ''}', not 'Success'"
        raise Refused(f"failed: {said}")
    return list(response.get("convertedObjects") or ())


def restored(before: Obj, after: Any, api_version: str, index: int) -> Obj:
    """What a webhook made of an object, with the metadata that is not its own put back. Raises Refused."""
    wrong = f"returned invalid converted object at index {index}: "
    if not isinstance(after, dict):
        raise Refused(f"{wrong}it is no object")
    if after.get("apiVersion") != api_version:
        got = after.get("apiVersion") or ""
        raise Refused(f"{wrong}invalid groupVersion (expected {api_version}, received {got})")
    if after.get("kind") != before["kind"]:
        raise Refused(f"{wrong}invalid kind (expected {before['kind']}, received {after.get('kind') or ''})")
    given, kept = after.get("metadata"), before["metadata"]
    if not isinstance(given, dict):
        raise Refused(f"returned invalid metadata in object at index {index}: missing metadata in converted object")
    for name, title in (("name", "name"), ("namespace", "namespace"), ("uid", "UID")):
        if (given.get(name) or "") != (kept.get(name) or ""):
            raise Refused(f"{wrong}must have the same {title}: {kept.get(name) or ''} != {given.get(name) or ''}")
    metadata = {name: value for name, value in kept.items() if name not in _OWN}
    for name in _OWN:
        if given.get(name) is not None:
            _check_own(name, given[name], kept.get(name), index)
            metadata[name] = given[name]
    return {**after, "metadata": metadata}


def _check_own(name: str, given: Any, kept: Any, index: int) -> None:
    wrong = f"returned invalid metadata in object at index {index}: "
    if not isinstance(given, dict):
        raise Refused(f"{wrong}invalid metadata.{name} of type {type(given).__name__} in converted object")
    for key, value in given.items():
        if not isinstance(value, str):
            raise Refused(
                f"{wrong}metadata.{name}[{key}] must be a string, but is {type(value).__name__} in converted object"
            )
    if given != kept:
        faults = list(_faults(name, given))
        if faults:
            raise Refused(f"{wrong}{faults[0]}")


def _faults(name: str, given: dict[str, str]) -> Iterable[str]:
    for key, value in given.items():
        for why in names.is_qualified_name(key if name == "labels" else key.lower()):
            yield f'metadata.{name}: Invalid value: "{key}": {why}'
        if name == "labels":
            for why in names.is_label_value(value):
                yield f'metadata.{name}: Invalid value: "{value}": {why}'
