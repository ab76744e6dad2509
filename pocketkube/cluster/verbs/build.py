"""`pk build FOLDER`: build the images that a folder of examples describes, without a registry, and put them into every node.

A folder holds `images/NAME/Dockerfile`, each `FROM pocketkube/base:1` or scratch; the image is called `pocketkube/NAME`,
with the tags that the Dockerfile's `# tags:` line lists (default: 1). A build argument VERSION carries the tag.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from pocketkube.cluster import console, engine, images
from pocketkube.cluster.errors import ClusterError
from pocketkube.cluster.layout import Layout
from pocketkube.cluster.verbs import Verb, load


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path)


def run(args: argparse.Namespace) -> int:
    layout = Layout.of(args.name)
    targets = engine.sockets(layout, layout.read())
    if not targets:
        raise ClusterError("the cluster has no node to build on")
    files = sorted(args.folder.glob("images/*/Dockerfile"))
    if not files:
        raise ClusterError(f"{args.folder} has no images/NAME/Dockerfile")
    with console.step(f"Making {images.BASE_IMAGE}"):
        for target in targets:
            images.ensure_loaded(target, images.base(), images.BASE_IMAGE)
    for file in files:
        for tag in tags(file.read_text()):
            name = f"pocketkube/{file.parent.name}:{tag}"
            with console.step(f"Building {name}"):
                engine.docker(targets[0], "build", "-q", "-t", name, "--build-arg", f"VERSION={tag}", str(file.parent))
            if targets[1:]:
                load.copy(name, targets[1:], targets[0])
    return 0


def tags(dockerfile: str) -> list[str]:
    found = re.search(r"^#\s*tags:\s*(.+)$", dockerfile, re.MULTILINE)
    return found[1].split() if found else ["1"]


VERB = Verb("build a folder's images into every node", run, arguments)
