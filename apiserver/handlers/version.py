"""GET /version: what this server says it is."""

from __future__ import annotations

import platform
from functools import cache
from pathlib import Path

from apiserver.request import Response, json_response

MAJOR, MINOR, PATCH = "1", "37", "0"


_UNKNOWN = "0" * 40  # of an installed package: clients want digits here


@cache
def commit(repository: Path = Path(__file__).parents[2] / ".git") -> str:
    """The commit that a checkout is at, read without git; zeros outside a checkout."""
    try:
        head = (repository / "HEAD").read_text().strip()
        if not head.startswith("ref: "):
            return head
        ref = head.removeprefix("ref: ")
        if (repository / ref).is_file():
            return (repository / ref).read_text().strip()
        packed = (line.split() for line in (repository / "packed-refs").read_text().splitlines())
        return next((words[0] for words in packed if words[-1] == ref), _UNKNOWN)
    except OSError:
        return _UNKNOWN


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
        "gitCommit": commit(),
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": f"python{platform.python_version()}",
        "compiler": platform.python_implementation().lower(),
        "platform": f"linux/{ {'x86_64': 'amd64', 'aarch64': 'arm64'}.get(platform.machine(), platform.machine()) }",
    }


async def get_version() -> Response:
    return json_response(version())
