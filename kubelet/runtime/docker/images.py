"""Images of the engine: looked up once and remembered until an event says that they changed; pulled; removed."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from kubelet.runtime import pause
from kubelet.runtime.docker import inspection
from kubelet.runtime.docker.engine import Engine
from kubelet.runtime.interface import ImageMissing, ImageRecord, RuntimeFailure

log = logging.getLogger(__name__)

CHANGES = ("delete", "import", "load", "pull", "tag", "untag")


class Images:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._known: dict[str, ImageRecord] = {}

    def forget(self) -> None:
        self._known.clear()

    async def get(self, reference: str) -> ImageRecord | None:
        known = self._known.get(reference)
        if known is None:
            try:
                body = await self._engine.call(lambda client: client.inspect_image(reference))  # type: ignore[no-untyped-call]
            except ImageMissing:
                return None
            known = self._known[reference] = inspection.image(body)
        return known

    async def list(self) -> list[ImageRecord]:
        bodies = await self._engine.call(lambda client: client.images())
        return [inspection.image(body) for body in bodies]

    async def pull(self, reference: str, auth: Mapping[str, Any] | None) -> ImageRecord:
        """Raises RuntimeFailure with the registry's or the engine's words."""
        await self._engine.pull_call(lambda client: _pull(client, reference, auth))
        self._known.pop(reference, None)
        found = await self.get(reference)
        if found is None:
            raise RuntimeFailure(f'image "{reference}" is missing after its pull')
        return found

    async def remove(self, image_id: str) -> None:
        await self._engine.call(lambda client: client.remove_image(image_id))
        self.forget()

    async def ensure_pause(self, reference: str) -> None:
        """Make the infra image from the program in this package, if the host has none of that name."""
        if await self.get(reference) is not None:
            return
        repository, _, tag = reference.rpartition(":")
        content = pause.root_filesystem()
        await self._engine.call(
            lambda client: client.import_image_from_data(
                content,
                repository=repository or reference,
                tag=tag if repository else None,
                changes=['ENTRYPOINT ["/pause"]'],
            )
        )
        self.forget()
        log.info("made the infra image %s", reference)


def _pull(client: Any, reference: str, auth: Mapping[str, Any] | None) -> None:
    from docker.utils import parse_repository_tag

    repository, tag = parse_repository_tag(reference)
    lines = client.pull(
        repository, tag=tag or "latest", stream=True, decode=True, auth_config=dict(auth) if auth else None
    )
    for line in lines:
        if "error" in line:
            raise RuntimeFailure(str(line["error"]))
