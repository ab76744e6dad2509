"""All functions that Kubernetes adds to CEL. Loaded with the evaluator."""

from __future__ import annotations

from pocketkube.api.cel.library import (
    addresses,
    authorizer,
    comparisons,
    formats,
    lists,
    maps,
    patches,
    quantities,
    regexes,
    semvers,
    urls,
)
from pocketkube.api.cel.library.function import Function

FUNCTIONS: tuple[Function, ...] = tuple(
    function
    for module in (
        quantities, semvers, comparisons, urls, addresses, regexes, lists, maps, formats, patches, authorizer,
    )
    for function in module.FUNCTIONS
)  # fmt: skip
