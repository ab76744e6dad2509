"""`pk stop`: end all processes and pods; the data stays."""

from __future__ import annotations

import argparse

from pocketkube.cluster import console, lifecycle
from pocketkube.cluster.layout import Layout
from pocketkube.cluster.verbs import Verb


def run(args: argparse.Namespace) -> int:
    layout = Layout.of(args.name)
    spec = layout.read()
    with console.step(f"Stopping cluster {layout.name!r}"):
        lifecycle.stop(layout, spec)
    console.say(f"Its data is kept: ./pk start{layout.flag} resumes it, ./pk down{layout.flag} removes it.")
    return 0


VERB = Verb("stop a cluster and keep its data", run)
