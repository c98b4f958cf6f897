"""Names of studies: which are allowed, and that anything makes one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.records.study_name import check_name, name_of
from space import InputError


@pytest.mark.parametrize("name", ["a", "0", "digits-1M-4M", "a.b_c-d", "A" * 64])
def test_names_that_fit_a_folder(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "../up", "a/b", "a\\b", "a b", " a", "a\n", "-a", ".hidden", "A" * 65, "x" * 300, "🐈", "grün"],
)
def test_names_that_do_not(name: str) -> None:
    with pytest.raises(InputError) as refusal:
        check_name(name)
    assert str(refusal.value) == (
        f"study must be 1 to 64 letters, digits, dots, dashes or underscores, got {name[:80]!r}; choose e.g. --study first-try"
    )


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (["digits", "1M", "4M"], "digits-1M-4M"),
        (["digits", "my data: (1)", "1M"], "digits-my-data-1-1M"),
        (["digits", "Größe"], "digits-Grosse"),
        (["digits", "100%"], "digits-100"),
        (["digits", ".hidden_"], "digits-.hidden_"),
        (["_own space", "a"], "own-space-a"),
        (["digits", "猫"], "digits-a810bf84"),
        (["x" * 60, "1M-4M"], "x" * 47 + "-d3bf3474"),
    ],
)
def test_any_folder_makes_a_valid_name(words: list[str], name: str) -> None:
    assert name_of(words) == check_name(name)


@given(st.lists(st.text(min_size=1), min_size=1, max_size=4))
def test_any_words_make_a_valid_name_always_the_same(words: list[str]) -> None:
    assert name_of(words) == check_name(name_of(words)) == name_of(list(words))
