"""Is the image there, may it be pulled, pull it once for all who wait. What goes wrong has upstream's reason and words."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from kubelet.pods import spec
from kubelet.pods.backoff import Backoffs
from kubelet.runtime.interface import EngineDown, ImageRecord, Runtime, RuntimeFailure
from pocketkube.base.clock import Clock

Obj = dict[str, Any]
Tell = Callable[[str, str, str], None]  # (type, reason, message) of an event about the container

_REFERENCE = re.compile(
    r"^(?:(?:[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?(?::[0-9]+)?)/)?"
    r"[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*)*"
    r"(?::[\w][\w.-]{0,127})?(?:@[A-Za-z][A-Za-z0-9]*:[0-9a-fA-F]{32,})?$"
)
HUB = "docker.io"
SHOWN_SECONDS = 2.0  # that a failed pull shows ErrImagePull before the wait for the next one shows ImagePullBackOff


class ImageProblem(Exception):
    """The container waits for its image: `reason` is what its status shows."""

    def __init__(self, reason: str, message: str, *, retry: float = 0.0) -> None:
        super().__init__(message)
        self.reason, self.message, self.retry = reason, message, retry


def pull_policy(container: Obj) -> str:
    """Always for a latest tag, IfNotPresent for any other, where nothing is said."""
    stated = container.get("imagePullPolicy")
    if stated:
        return str(stated)
    image = container.get("image", "")
    last = image.rsplit("/", 1)[-1]
    return "IfNotPresent" if "@" in image or (":" in last and not last.endswith(":latest")) else "Always"


class Images:
    def __init__(self, runtime: Runtime, clock: Clock) -> None:
        self._runtime = runtime
        self._clock = clock
        self._backoffs = Backoffs()
        self._failed: dict[object, tuple[Any, str]] = {}
        self._pulls: dict[tuple[str, str], asyncio.Task[ImageRecord]] = {}

    async def ensure(self, pod: Obj, container: Obj, secrets: list[Obj], tell: Tell) -> ImageRecord:
        """Raises ImageProblem; EngineDown passes through."""
        image = container.get("image", "")
        if not _REFERENCE.match(image):
            text = f'Failed to apply default image tag "{image}": couldn\'t parse image name "{image}": invalid reference format'
            tell("Warning", "InspectFailed", text)
            raise ImageProblem("InvalidImageName", text, retry=60.0)
        policy = pull_policy(container)
        found = None if policy == "Always" else await self._runtime.image(image)
        if found is not None:
            tell("Normal", "Pulled", f'Container image "{image}" already present on machine')
            return found
        if policy == "Never":
            text = f'Container image "{image}" is not present with pull policy of Never'
            tell("Warning", "ErrImageNeverPull", text)
            raise ImageProblem("ErrImageNeverPull", text, retry=10.0)
        return await self._pull(pod, image, secrets, tell)

    async def _pull(self, pod: Obj, image: str, secrets: list[Obj], tell: Tell) -> ImageRecord:
        key = (spec.uid(pod), image)
        now = self._clock.now()
        if key in self._failed:
            since, why = self._failed[key]
            left = self._backoffs.remaining(key, since, now)
            if left > 0:
                tell("Normal", "BackOff", f'Back-off pulling image "{image}"')
                tell("Warning", "Failed", "Error: ImagePullBackOff")
                raise ImageProblem(
                    "ImagePullBackOff", f'Back-off pulling image "{image}": ErrImagePull: {why}', retry=left
                )
        tell("Normal", "Pulling", f'Pulling image "{image}"')
        started = self._clock.monotonic()
        try:
            found = await self._shared_pull(image, secrets)
        except EngineDown:
            raise
        except RuntimeFailure as e:
            text = f'failed to pull image "{image}": {e}' if image not in str(e) else str(e)
            failed = self._clock.now()
            self._backoffs.tried(key, failed, failed)
            self._failed[key] = failed, text
            tell("Warning", "Failed", f'Failed to pull image "{image}": {e}')
            tell("Warning", "Failed", "Error: ErrImagePull")
            raise ImageProblem("ErrImagePull", text, retry=SHOWN_SECONDS) from e
        self._failed.pop(key, None)
        self._backoffs.forget(key)
        took = self._clock.monotonic() - started
        tell("Normal", "Pulled", f'Successfully pulled image "{image}" in {took:.3f}s. Image size: {found.size} bytes.')
        return found

    async def _shared_pull(self, image: str, secrets: list[Obj]) -> ImageRecord:
        """One pull however many containers wait; it goes on if a waiter gives up."""
        candidates: list[Mapping[str, Any] | None] = [*credentials(image, secrets)]
        failure: RuntimeFailure | None = None
        for auth in candidates or [None]:
            key = (image, json.dumps(auth, sort_keys=True))
            task = self._pulls.get(key)
            if task is None:
                task = self._pulls[key] = asyncio.create_task(self._runtime.pull(image, auth), name=f"pull {image}")
                task.add_done_callback(lambda _, key=key: self._pulls.pop(key, None))  # type: ignore[misc]
            try:
                return await asyncio.shield(task)
            except EngineDown:
                raise
            except RuntimeFailure as e:
                failure = e
        assert failure is not None
        raise failure

    def forget(self, uid: str) -> None:
        for key in [k for k in self._failed if isinstance(k, tuple) and k[0] == uid]:
            del self._failed[key]
            self._backoffs.forget(key)


def registry(image: str) -> str:
    """The registry's host of an image reference; the hub's where it names none."""
    first, slash, _ = image.partition("/")
    return first if slash and ("." in first or ":" in first or first == "localhost") else HUB


def credentials(image: str, secrets: list[Obj]) -> list[dict[str, str]]:
    """The logins that pull secrets hold for an image, the most specific first. What cannot be read is passed over."""
    found: list[tuple[int, dict[str, str]]] = []
    host = registry(image)
    path = image if image.startswith(host) else f"{host}/{image}"
    for secret in secrets:
        for server, entry in _logins(secret).items():
            bare = server.removeprefix("https://").removeprefix("http://").rstrip("/")
            bare = HUB if bare in ("index.docker.io/v1", "index.docker.io", "registry-1.docker.io") else bare
            bare = re.sub(r"/v[12]$", "", bare)
            if path == bare or path.startswith((f"{bare}/", f"{bare}:")):
                found.append((len(bare), _login(entry)))
    return [login for _, login in sorted(found, key=lambda pair: -pair[0])]


def _logins(secret: Obj) -> dict[str, Obj]:
    data = secret.get("data") or {}
    try:
        if ".dockerconfigjson" in data:
            return dict(json.loads(base64.b64decode(data[".dockerconfigjson"])).get("auths") or {})
        if ".dockercfg" in data:
            return dict(json.loads(base64.b64decode(data[".dockercfg"])))
    except (ValueError, binascii.Error, AttributeError):
        pass  # not credentials: the pull goes on without them, and says what it lacks
    return {}


def _login(entry: Obj) -> dict[str, str]:
    username, password = entry.get("username", ""), entry.get("password", "")
    if entry.get("auth") and not username:
        username, _, password = base64.b64decode(entry["auth"]).decode(errors="replace").partition(":")
    login = {"username": username, "password": password}
    if entry.get("identitytoken"):
        login["identitytoken"] = entry["identitytoken"]
    return login
