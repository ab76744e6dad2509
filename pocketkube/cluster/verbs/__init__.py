"""The verbs of `./pk`, one file each; a file exports VERB."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Verb:
    """`run` returns the exit code; a ClusterError that it raises is printed as one line.

    `passes_rest`: flags after the verb are not ours."""

    help: str
    run: Callable[[argparse.Namespace], int]
    arguments: Callable[[argparse.ArgumentParser], None] = lambda parser: None
    passes_rest: bool = False
