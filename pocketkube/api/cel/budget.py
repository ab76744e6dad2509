"""What the expressions of one policy may cost with one request.

The evaluator can neither count nor be stopped: an expression that might cost much is estimated by the values at hand before it
runs. Most are known to be cheap with values of this size, and are not looked at again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from pocketkube.api.cel import cost
from pocketkube.api.cel.syntax import Node
from pocketkube.api.cel.words import OVER_COST, EvaluationError

POLICY_LIMIT = 10_000_000  # of all expressions of a policy, for one request and one parameter object
CONDITIONS_LIMIT = POLICY_LIMIT // 4  # of the match conditions of a webhook or policy
_SIZES = tuple(1 << 2 * power for power in range(12, 2, -1))  # bytes


class OutOfBudget(Exception):
    """Nothing more of the policy is evaluated."""

    def __init__(self) -> None:
        super().__init__("validation failed due to running out of cost budget, no further validation rules will be run")


class _OfBytes(NamedTuple):
    """Anything that is not larger than that, over and over."""

    size: int
    is_map: bool = False

    def field(self, name: str) -> _OfBytes:
        return self

    def items(self) -> _OfBytes:
        return self

    def keys(self) -> _OfBytes:
        return self


def cheap_bytes(tree: Node, names: frozenset[str]) -> int:
    """The size of values up to which an expression certainly costs little."""
    for size in _SIZES:
        if cost.estimate(tree, dict.fromkeys(names, _OfBytes(size))) <= cost.CALL_LIMIT:
            return size
    return 0


class Budget:
    """`variables` are those that the expressions share; what they cost is counted down from `limit`."""

    def __init__(self, limit: int, variables: Mapping[str, Any]):
        self._left = limit
        self._variables = variables
        self._bytes = -1

    def charge(self, cheap: int, tree: Node, variables: Mapping[str, Any]) -> None:
        """For an expression that is about to run. Raises OutOfBudget, and EvaluationError if it alone costs too much."""
        if cheap == _SIZES[0] or self._size() <= cheap:
            return
        shapes = {name: cost.OfData([value]) for name, value in variables.items()}
        amount = cost.estimate(tree, shapes)
        if amount > cost.CALL_LIMIT:
            raise EvaluationError(OVER_COST)
        self._left -= amount
        if self._left < 0:
            raise OutOfBudget

    def _size(self) -> int:
        """Of everything that the expressions see, in bytes."""
        if self._bytes < 0:
            import orjson

            sizes = [len(orjson.dumps(value, default=str)) for value in self._variables.values() if value is not None]
            self._bytes = sum(sizes)
        return self._bytes
