"""How fresh a read must be: resourceVersion and resourceVersionMatch, and what goes wrong with them."""

from __future__ import annotations

from collections.abc import Mapping

from apiserver.registry.registry import Registry
from apiserver.registry.resource import Resource
from apiserver.request import parse_integer
from apiserver.storage.interface import FutureRevision
from pocketkube.api.meta import errors, field
from pocketkube.api.meta.field import FieldError

ANY = "0"


def revision_of(text: str) -> int:
    """A resourceVersion as a number. Raises Invalid in upstream's words."""
    try:
        if text[:1] in ("+", "-"):
            raise ValueError("invalid syntax")
        revision = parse_integer(text)
    except ValueError as wrong:
        why = f'strconv.ParseUint: parsing "{text}": {wrong}'
        raise errors.BadRequest(f"resourceVersion: Invalid value: {_quoted(text)}: {why}") from None
    return revision


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


async def wait_for(registry: Registry, resource: Resource, version: str) -> None:
    """Wait until the resource's cache shows `version`: "" is the store's newest, "0" whatever is there.

    Raises Timeout where that version lies in the future, StoreUnavailable where the store does not answer.
    """
    if not resource.cache.ready:
        await registry.cache.wait_loaded(resource.cache)
    if version == ANY:
        return
    try:
        await registry.cache.wait_fresh(revision_of(version) if version else None)
    except FutureRevision:
        raise too_large(int(version or 0), resource.cache.current) from None


def too_large(asked: int, current: int, *, retry_seconds: int = 1) -> errors.Timeout:
    """The answer to a resourceVersion that the store has not reached; 0: do not say when to come again."""
    message = f"Timeout: Too large resource version: {asked}, current: {current}"
    cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
    again = {"retryAfterSeconds": retry_seconds} if retry_seconds else {}
    return errors.Timeout(message, details={"causes": [cause], **again})


def check_options(query: Mapping[str, str], *, watch: bool) -> None:
    """Raises Invalid for resourceVersion, resourceVersionMatch, continue and sendInitialEvents that do not go together."""
    found = _match_faults(query, watch)
    if watch:
        found += _initial_faults(query)
    elif "sendInitialEvents" in query:
        found.append(field.forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list"))
    if found:
        raise errors.invalid("meta.k8s.io", "ListOptions", "", found)


def _match_faults(query: Mapping[str, str], watch: bool) -> list[FieldError]:
    match = query.get("resourceVersionMatch", "")
    version = query.get("resourceVersion", "")
    if not match:
        return []
    path = "resourceVersionMatch"
    if watch:
        if query.get("sendInitialEvents") is None:
            return [
                field.forbidden(
                    path, "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
                )
            ]
        return []
    found = []
    if not version:
        found.append(field.forbidden(path, "resourceVersionMatch is forbidden unless resourceVersion is provided"))
    if query.get("continue"):
        found.append(field.forbidden(path, "resourceVersionMatch is forbidden when continue is provided"))
    if match not in ("Exact", "NotOlderThan"):
        found.append(field.not_supported(path, match, ["Exact", "NotOlderThan", ""]))
    if match == "Exact" and version == ANY:
        found.append(field.forbidden(path, 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'))
    return found


def _initial_faults(query: Mapping[str, str]) -> list[FieldError]:
    if query.get("sendInitialEvents") is None:
        return []
    match = query.get("resourceVersionMatch", "")
    if not match:
        return [
            field.forbidden(
                "resourceVersionMatch", "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
            )
        ]
    if match != "NotOlderThan":
        return [field.not_supported("resourceVersionMatch", match, ["NotOlderThan"])]
    return []
