"""`pk kubeconfig`: the path of the administrator's kubeconfig, alone on standard output."""

from __future__ import annotations

import argparse

from pocketkube.cluster.layout import Layout
from pocketkube.cluster.verbs import Verb


def run(args: argparse.Namespace) -> int:
    layout = Layout.of(args.name)
    layout.read()
    print(layout.kubeconfig)
    return 0


VERB = Verb("print the kubeconfig's path", run)
