"""Questions whose answer has to come from another server: they are put again once it is there.

Authorization never waits, so that it can be used in the middle of anything. An authorizer that must ask elsewhere raises
`Undecided`; whoever may wait awaits it, and the answer, kept for a while, is found the next time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from apiserver.interfaces import Undecided

T = TypeVar("T")


async def settled(question: Callable[[], T]) -> T:
    """What `question` gives once nobody has to be asked any more. It may run several times: it must change nothing."""
    while True:
        try:
            return question()
        except Undecided as undecided:
            await undecided.ask()
