"""AlwaysPullImages: no pod runs an image that its own credentials could not pull. Off unless asked for."""

from __future__ import annotations

from apiserver.admission.plugin import Outcome, Plugin
from apiserver.interfaces import AdmissionRequest
from pocketkube.api.kinds.kind import Kind


class AlwaysPullImages(Plugin):
    name = "AlwaysPullImages"
    default = False

    def interested(self, kind: Kind, operation: str, subresource: str) -> bool:
        return (
            kind.resource == "pods" and operation in ("CREATE", "UPDATE") and subresource in ("", "ephemeralcontainers")
        )

    def mutate(self, request: AdmissionRequest) -> Outcome:
        assert request.obj is not None
        for field in ("initContainers", "containers", "ephemeralContainers"):
            for container in request.obj["spec"].get(field) or ():
                container["imagePullPolicy"] = "Always"
        return None


ADMISSION = AlwaysPullImages
