"""Prompts with gaps: which texts they make, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcdflow.errors import SourceError
from tcdflow.prompts.wildcards import Wildcards
from tests.helpers import Write


def every(text: str, folder: Path | None = None) -> list[str]:
    return Wildcards(folder).texts(text, None, 0)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("plain", ["plain"]),
        ("a {red|blue} cat", ["a red cat", "a blue cat"]),
        ("{a|b} {1|2}", ["a 1", "a 2", "b 1", "b 2"]),
        ("{a|{b|c} d|}", ["a", "b d", "c d", ""]),
        (r"\{a\|b\} {c} a|b _ __ \\ \x", [r"{a|b} {c} a|b _ __ \ \x"]),
        (r"\__a__", ["__a__"]),
        ("{a|a}", ["a", "a"]),
    ],
)
def test_all_combinations_in_order(text: str, found: list[str]) -> None:
    assert every(text) == found


def test_files(configs: Write) -> None:
    folder = configs(
        {
            "animals.txt": "# animals\n\ncat\n{big|small} dog\n",
            "of/two_words.txt": "\ufeff__animals__ here\r\n\\#1\r\n",
        }
    )
    assert every("a __animals__", folder) == ["a cat", "a big dog", "a small dog"]
    assert every("__of/two_words__!", folder) == ["cat here!", "big dog here!", "small dog here!", "#1!"]


@given(st.integers(1, 40), st.integers(0, 5))
def test_a_sample_is_seeded_and_none_comes_twice(count: int, seed: int) -> None:
    text = "{a|b|c} {1|2|3} {x|y|{v|w}}"
    drawn = Wildcards().texts(text, count, seed)
    assert drawn == Wildcards().texts(text, count, seed)
    assert len(drawn) == len(set(drawn)) == min(count, 36)
    assert set(drawn) <= set(every(text))


def test_a_sample_of_more_than_can_be_counted() -> None:
    drawn = Wildcards().texts("{a|b}" * 3000, 5, 1)
    assert len(set(drawn)) == 5
    assert drawn != Wildcards().texts("{a|b}" * 3000, 5, 2)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("__none__", "__none__ cannot be read: No such file"),
        ("__a__", "__a__ leads back to itself: a -> b -> a"),
        ("__empty__", "__empty__ holds no line"),
        ("__out__", "__out__ lies outside of the folder"),
        ("__binary__", "__binary__ is not UTF-8 text"),
        ("__0__", "characters"),
        ("{a|b", "a { that is not closed"),
        ("{2$$a|b}", "has $$ within braces"),
        ("{0.5::a|b}", "has :: within braces"),
        ("{a|" * 50 + "}" * 50, "nests deeper"),
        ("{a|b}" * 25, "makes 33,554,432 prompts; sweep.wildcards.count=N draws N of them"),
        ("{a|b}" * 90, "makes more than 10^15 prompts"),
    ],
)
def test_what_is_refused(text: str, found: str, configs: Write, tmp_path: Path) -> None:
    laughs = {f"{n}.txt": f"__{n + 1}__" * 10 for n in range(9)} | {"9.txt": "ha"}
    folder = configs({"a.txt": "__b__", "b.txt": "{c|__a__}", "empty.txt": "#\n", "binary.txt": b"\xff", **laughs})
    (tmp_path / "secret.txt").write_text("secret")
    (folder / "out.txt").symlink_to(tmp_path / "secret.txt")
    with pytest.raises(SourceError) as caught:
        every(text, folder)
    assert found in str(caught.value)


def test_a_file_needs_a_folder() -> None:
    with pytest.raises(SourceError, match=r"sweep\.wildcards\.folder=DIR says where animals\.txt is"):
        every("a __animals__")
