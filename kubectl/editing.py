"""An object in the user's editor."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import yaml

from kubectl import manifests, printers
from kubectl.errors import CommandError

Obj = dict[str, Any]

HEAD = """# Please edit the object below. Lines beginning with a '#' will be ignored,
# and an empty file will abort the edit. If an error occurs while saving this file will be
# reopened with the relevant failures.
#
"""


def edited(obj: Obj) -> Obj | None:
    """The object as the user left it; None where nothing was left. Raises CommandError for what is no object."""
    text = stripped(in_editor(HEAD + printers.to_yaml(obj)))
    if not text.strip():
        return None
    try:
        found = yaml.load(text, manifests.Loader)
    except yaml.YAMLError as error:
        raise CommandError(f"the edited text is no YAML: {error}") from error
    if not isinstance(found, dict):
        raise CommandError("the edited text holds no object")
    return found


def stripped(text: str) -> str:
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith("#"))


def in_editor(text: str) -> str:
    editor = os.environ.get("KUBE_EDITOR") or os.environ.get("EDITOR") or "vi"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "edit.yaml")
        path.write_text(text)
        done = subprocess.run([*shlex.split(editor), str(path)])
        if done.returncode:
            raise CommandError(f'there was a problem with the editor "{editor}"')
        return path.read_text()
