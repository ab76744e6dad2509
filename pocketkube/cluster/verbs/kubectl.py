"""`pk kubectl ...`: our own CLI with the cluster's kubeconfig."""

from __future__ import annotations

import argparse
import os
import sys

from pocketkube.cluster.layout import REPOSITORY, Layout
from pocketkube.cluster.verbs import Verb


def run(args: argparse.Namespace) -> int:
    layout = Layout.of(args.name)
    layout.read()
    path = os.pathsep.join(filter(None, (str(REPOSITORY), os.environ.get("PYTHONPATH", ""))))
    environment = {**os.environ, "KUBECONFIG": str(layout.kubeconfig), "PYTHONPATH": path}
    os.execve(sys.executable, [sys.executable, "-m", "kubectl", *args.rest], environment)


VERB = Verb("our kubectl, pointed at the cluster", run, passes_rest=True)
