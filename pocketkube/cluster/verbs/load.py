"""`pk load IMAGE[.tar]`: put an image of the local Docker, or an archive, into every node."""

from __future__ import annotations

import argparse
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pocketkube.cluster import console, engine, prepare
from pocketkube.cluster.components import HOST_SOCKET
from pocketkube.cluster.errors import ClusterError
from pocketkube.cluster.layout import Layout
from pocketkube.cluster.verbs import Verb


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("image", nargs="+", help="an image's name, or the path of a .tar that `docker save` wrote")


def run(args: argparse.Namespace) -> int:
    layout = Layout.of(args.name)
    targets = engine.sockets(layout, layout.read())
    for image in args.image:
        if image.endswith((".tar", ".tar.gz", ".tgz")):
            if not Path(image).is_file():
                raise ClusterError(f"there is no file {image}")
            for target in targets:
                console.say(engine.docker(target, "load", "-i", image).strip())
        else:
            copy(image, targets)
    return 0


def copy(image: str, targets: list[str], source: str = HOST_SOCKET) -> None:
    """From one engine into others; nothing to do for the one that has it."""
    if not prepare.engine_answers(source) or not engine.has_image(source, image):
        raise ClusterError(f"the Docker engine of this machine holds no image {image!r}: build or pull it first")
    others = [target for target in targets if target != source]
    if others:
        with console.step(f"Loading {image}"), ThreadPoolExecutor(4) as pool:
            saved = subprocess.run(["docker", "-H", f"unix://{source}", "save", image], capture_output=True, check=True)
            list(pool.map(lambda target: engine.docker(target, "load", "-q", stdin=saved.stdout), others))
    if targets == [source]:
        console.say(f"{image} is in this machine's engine, which the node uses. Nothing to copy.")


VERB = Verb("put an image into every node", run, arguments)
