"""`pk down`: remove what `up` made, and nothing else."""

from __future__ import annotations

import argparse

from pocketkube.cluster import console, images, lifecycle, prepare
from pocketkube.cluster import spec as specs
from pocketkube.cluster.layout import Layout, all_clusters, home
from pocketkube.cluster.verbs import Verb


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--purge", action="store_true", help="also remove the images that were built, once no cluster is left"
    )


def run(args: argparse.Namespace) -> int:
    layout = Layout.of(args.name)
    prepare.check_machine()
    spec = specs.read(layout.spec)
    if spec is None:
        console.say(f"There is no cluster {layout.name!r}. Nothing to do.")
    else:
        with console.step(f"Removing cluster {layout.name!r}"):
            lifecycle.down(layout, spec)
    if args.purge and not list(all_clusters()):
        images.purge()
        if home().is_dir() and not any(home().iterdir()):
            home().rmdir()
    return 0


VERB = Verb("remove a cluster", run, arguments)
