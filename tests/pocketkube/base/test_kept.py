"""What is remembered is bounded in number and in size."""

from __future__ import annotations

from pocketkube.base.kept import LONGEST, Kept, remembered, size


def test_kept_begins_anew_when_full_and_leaves_out_what_is_long() -> None:
    kept: Kept[tuple[str, tuple[str, ...]], int] = Kept(most=2)
    assert [kept.keep((name, ("g",)), at) for at, name in enumerate("abc")] == [0, 1, 2]
    assert dict(kept) == {("c", ("g",)): 2}
    assert kept.keep(("d", ("x" * LONGEST,)), 3) == 3
    assert dict(kept) == {("c", ("g",)): 2}


def test_size_is_that_of_all_texts() -> None:
    assert size(("ab", None, ("c", ("de",)), b"f", 12345)) == 6


def test_long_questions_are_worked_out_each_time() -> None:
    asked = []

    @remembered(8, longest=4)
    def double(text: str, *more: str) -> str:
        asked.append(text)
        return text + "".join(more) + text

    for _ in range(3):
        assert (double("ab"), double("abcde"), double("ab", "cde")) == ("abab", "abcdeabcde", "abcdeab")
    assert sorted(asked) == ["ab", *["ab"] * 3, *["abcde"] * 3]
