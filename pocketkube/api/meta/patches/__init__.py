"""The three patch formats that are not server-side apply: an object and a patch go in, a new object comes out.

The input is never changed; parts the patch does not touch are shared with the result.
"""

from __future__ import annotations

from pocketkube.api.meta.patches.jsonpatch import json_patch
from pocketkube.api.meta.patches.merge import merge_patch
from pocketkube.api.meta.patches.strategic import strategic_merge

__all__ = ["json_patch", "merge_patch", "strategic_merge"]
