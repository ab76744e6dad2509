"""What a person sees while a verb works: progress on standard error, results on standard output."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


@contextmanager
def step(text: str) -> Iterator[None]:
    """`* text ...` while it lasts, then how long it took. On failure the line stays open for the error."""
    began = time.monotonic()
    print(f"  {text} ...", end="", file=sys.stderr, flush=True)
    try:
        yield
    except BaseException:
        print(" failed", file=sys.stderr, flush=True)
        raise
    print(f" {time.monotonic() - began:.1f}s", file=sys.stderr, flush=True)


def confirm(question: str) -> bool:
    """Ask only if a person is there to answer; programs that call us have said yes by calling."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return True
    say("")
    answer = input(f"{question} [Y/n] ").strip().lower()
    return answer in ("", "y", "yes")
