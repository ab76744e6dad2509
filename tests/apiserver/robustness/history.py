"""What clients did to registers, and whether it can have happened in one order.

Every value is written once, and the store gives each write a revision. So the order is known: that of revisions, as etcd's own
history tells it (`truth`). A history is linearizable if each answer fits that order, and the order fits the clock:

  a write that was acknowledged is in the truth, at its revision, with its value;
  a write that compared revision R follows the change at R with none of the same register between;
  a read shows a change of the truth as it was, and one that was the newest at some moment while the read ran;
  an old read (of whatever a cache has, or of what is not older than a revision) shows one that was the newest at some time;
  a read out of a list shows what was the newest at the list's revision, which is not below the one that was asked for;
  a write that was refused is not in the truth; one without an answer may be there, once.

    truth of x: 5=a 9=b      write a ok@5 [0,1]   write b ok@9 [2,3]   read a@5 [2.5,4]: fine   read a@5 [3.5,4]: stale
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

Kind = Literal["read", "old read", "write"]
Outcome = Literal["ok", "refused", "unknown"]
Truth = Mapping[str, Sequence[tuple[int, str]]]  # register -> (revision, value) in order


class Event(NamedTuple):
    """One operation. `begun` and `ended` are of one monotonic clock."""

    kind: Kind
    register: str
    begun: float
    ended: float
    outcome: Outcome
    revision: int = 0  # that a read saw or a write made
    value: str = ""
    compared: int = 0  # the revision that a write replaces, or that a read asked for at least
    at: int = 0  # the revision of the list that a read is out of


def violations(events: Sequence[Event], truth: Truth) -> list[str]:
    """Everything that no order explains; [] for a linearizable history."""
    return [*_untrue(events, truth), *_other_than_at(events, truth), *_out_of_order(events)]


def _untrue(events: Sequence[Event], truth: Truth) -> list[str]:
    found = []
    known = {register: dict(changes) for register, changes in truth.items()}
    written = {register: [value for _, value in changes] for register, changes in truth.items()}
    before = {
        (register, changes[at][0]): changes[at - 1][0]
        for register, changes in truth.items()
        for at in range(1, len(changes))
    }
    for event in events:
        times = written.get(event.register, []).count(event.value)
        if event.outcome == "ok" and known.get(event.register, {}).get(event.revision) != event.value:
            found.append(f"{'lost' if event.kind == 'write' else 'never written'}: {event}")
        elif (
            event.kind == "write"
            and event.outcome == "ok"
            and before.get((event.register, event.revision)) != event.compared
        ):
            found.append(f"overwrote what it had not seen: {event}")
        elif event.kind == "write" and times > (event.outcome != "refused"):
            found.append(f"applied {times} times: {event}")
    return found


def _other_than_at(events: Sequence[Event], truth: Truth) -> list[str]:
    """Reads out of lists that do not show what was the newest at the list's revision, or that revision is too old."""
    found = []
    for event in events:
        if event.at:
            newest = max((revision for revision, _ in truth.get(event.register, ()) if revision <= event.at), default=0)
            if newest != event.revision:
                found.append(f"{newest} was the newest: {event}")
            if event.at < event.compared:
                found.append(f"older than asked for: {event}")
    return found


def _out_of_order(events: Sequence[Event]) -> list[str]:
    """Reads that miss what was already seen or acknowledged when they began, and writes that come before it."""
    found = []
    by_register: dict[str, list[Event]] = {}
    for event in events:
        if event.outcome == "ok" and event.kind != "old read":
            by_register.setdefault(event.register, []).append(event)
    for mine in by_register.values():
        ended = sorted(mine, key=lambda event: event.ended)
        at, newest = 0, 0
        for event in sorted(mine, key=lambda event: event.begun):
            while at < len(ended) and ended[at].ended < event.begun:
                newest = max(newest, ended[at].revision)
                at += 1
            if event.revision < newest:
                found.append(f"stale, {newest} was known: {event}")
    return found
