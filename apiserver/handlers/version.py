"""GET /version: what this server says it is."""

from __future__ import annotations

import platform

from apiserver.request import Response, json_response

MAJOR, MINOR, PATCH = "1", "37", "0"


def version() -> dict[str, str]:
    import pocketkube

    ours = getattr(pocketkube, "__version__", "0.1.0")
    return {
        "major": MAJOR,
        "minor": MINOR,
        "emulationMajor": MAJOR,
        "emulationMinor": MINOR,
        "minCompatibilityMajor": MAJOR,
        "minCompatibilityMinor": str(int(MINOR) - 1),
        "gitVersion": f"v{MAJOR}.{MINOR}.{PATCH}+pocketkube.{ours}",
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": f"python{platform.python_version()}",
        "compiler": platform.python_implementation().lower(),
        "platform": f"linux/{ {'x86_64': 'amd64', 'aarch64': 'arm64'}.get(platform.machine(), platform.machine()) }",
    }


async def get_version() -> Response:
    return json_response(version())
