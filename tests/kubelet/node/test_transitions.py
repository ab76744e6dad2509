from __future__ import annotations

from typing import Any

import pytest

from kubelet.node.transitions import reasons


def conditions(**statuses: str) -> list[dict[str, Any]]:
    return [{"type": name, "status": status} for name, status in statuses.items()]


FINE = conditions(MemoryPressure="False", DiskPressure="False", PIDPressure="False", Ready="True")
GREETINGS = ["NodeHasSufficientMemory", "NodeHasNoDiskPressure", "NodeHasSufficientPID"]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        pytest.param([], FINE, GREETINGS, id="a new node"),
        pytest.param(FINE, FINE, [], id="nothing"),
        pytest.param(conditions(Ready="False"), conditions(Ready="True"), ["NodeReady"], id="ready"),
        pytest.param(conditions(Ready="True"), conditions(Ready="False"), ["NodeNotReady"], id="not ready"),
        pytest.param(conditions(Ready="Unknown"), conditions(Ready="True"), ["NodeReady"], id="heard of again"),
        pytest.param(
            FINE, conditions(MemoryPressure="True", DiskPressure="True", PIDPressure="True", Ready="True"),
            ["NodeHasInsufficientMemory", "NodeHasDiskPressure", "NodeHasInsufficientPID"], id="pressure",
        ),
    ],
)  # fmt: skip
def test_reasons(before: list[dict[str, Any]], after: list[dict[str, Any]], expected: list[str]) -> None:
    assert reasons(before, after) == expected
