"""How weights of words are written: A1111's grammar and compel's, and BREAK."""

from __future__ import annotations

from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcdflow.prompts import a1111, compel
from tcdflow.prompts.fragment import Fragment
from tcdflow.prompts.text import holds, read

Weighted = list[tuple[str, float]]


def rounded(fragments: list[Fragment]) -> Weighted:
    """The texts that hold a token, with their weights."""
    return [(one.text.strip(), round(one.weight, 4)) for one in fragments if one.text.strip()]


# The first ten are the examples of the web UI's wiki and of the comments in its parser.
A1111: list[tuple[str, Weighted]] = [
    ("normal text", [("normal text", 1)]),
    ("an (important) word", [("an", 1), ("important", 1.1), ("word", 1)]),
    ("(unbalanced", [("unbalanced", 1.1)]),
    (r"\(literal\]", [("(literal]", 1)]),
    ("(unnecessary)(parens)", [("unnecessaryparens", 1.1)]),
    ("((word))", [("word", 1.21)]),
    ("[word]", [("word", 0.9091)]),
    ("(word:1.5)", [("word", 1.5)]),
    ("(word:.25)", [("word", 0.25)]),
    (r"\(word\)", [("(word)", 1)]),
    (
        "a (((house:1.3)) [on] a (hill:0.5), sun, (((sky)))",
        [("a", 1), ("house", 1.573), ("on", 1), ("a", 1.1), ("hill", 0.55), (", sun,", 1.1), ("sky", 1.4641)],
    ),
    ("(a [b] c:2)", [("a", 2), ("b", 1.8182), ("c", 2)]),
    ("a: b (c:d:1.2)", [("a: b", 1), ("c:d", 1.2)]),
    ("x:1.2) y]", [("x:1.2) y]", 1)]),
    ("(:1.3)", []),
    (r"a\\(b:1.2)", [("a\\", 1), ("b", 1.2)]),
    ("(neg:-0.5)", [("neg", -0.5)]),
    ("日本(猫:1.4)", [("日本", 1), ("猫", 1.4)]),
]

# What compel 2.5.1 reads, but for the blanks that it puts around punctuation.
COMPEL: list[tuple[str, Weighted]] = [
    ("a cat++ on a (red mat)1.5", [("a", 1), ("cat", 1.21), ("on a", 1), ("red mat", 1.5)]),
    ("a (cat)", [("a cat", 1)]),
    ("a (big (red)1.2 dog)1.5", [("a", 1), ("big", 1.5), ("red", 1.8), ("dog", 1.5)]),
    ("well-lit cat-- here-", [("well-lit", 1), ("cat", 0.81), ("here", 0.9)]),
    (r"a \(x\)++ b", [("a", 1), ("(x)", 1.21), ("b", 1)]),
    ("(cat:1.2)", [("cat:1.2", 1)]),
    ("cat+,dog-", [("cat", 1.1), (",", 1), ("dog", 0.9)]),
    ('"old man"++ "quoted"', [("old man", 1.21), ('"quoted"', 1)]),
    ("(cat)+1.2", [("cat", 1.1), ("1.2", 1)]),
    ("(cat).5", [("cat", 0.5)]),
    ("(cat)0", [("cat", 0)]),
    ("a ( b+", [("a (", 1), ("b", 1.1)]),
    ("((cat)+)+", [("cat", 1.21)]),
    ("cat1.2 word+word", [("cat1.2 word+word", 1)]),
    ("a + b --", [("a + b --", 1)]),
    ("[cat]1.2", [("[cat]1.2", 1)]),
    ("end. cat+. dog", [("end.", 1), ("cat", 1.1), (". dog", 1)]),
]


@pytest.mark.parametrize(("text", "found"), A1111, ids=str)
def test_a1111(text: str, found: Weighted) -> None:
    assert rounded(a1111.parse(text)) == found


@pytest.mark.parametrize(("text", "found"), COMPEL, ids=str)
def test_compel(text: str, found: Weighted) -> None:
    assert rounded(compel.parse(text)) == found


@given(st.text('ab ,.()[]:+-"\\1', max_size=40))
def test_any_text_is_read_and_no_word_is_lost(text: str) -> None:
    for grammar in (a1111, compel):
        fragments = grammar.parse(text)
        assert all(fragment.text for fragment in fragments)
        letters = [c for fragment in fragments for c in fragment.text if c in "ab"]
        assert letters == [c for c in text if c in "ab"]


@pytest.mark.parametrize("text", ["(" * 101, "[(" * 60, "(a " * 5000 + ")" * 5000])
def test_brackets_without_end(text: str) -> None:
    for grammar in (a1111, compel):
        if text.count("(") > 100:
            with pytest.raises(ValueError, match="nest deeper than 100"):
                grammar.parse(text)


@pytest.mark.parametrize("text", ['("a", "b").and()', '("a", "b").blend(1, 0.5)', "(cat).swap(dog)"])
def test_what_compel_joins_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not supported"):
        compel.parse(text)


def test_break_begins_a_part_where_it_is_a_word() -> None:
    parts = read("a (b BREAK c:1.5) BREAK\nBREAKFAST", "a1111", {}, breaks=True)
    assert [rounded(part) for part in parts] == [[("a", 1), ("b", 1.5)], [("c", 1.5)], [("BREAKFAST", 1)]]
    (whole,) = read("a BREAK b", "none", {}, breaks=False)
    assert rounded(whole) == [("a BREAK b", 1)]


class TestEmbeddings:
    TOKENS: ClassVar = {"cat": "<cat-toy>", "bad": "BadHands", "worse": "BadHands-v2"}

    @pytest.mark.parametrize(
        ("text", "found"),
        [
            ("a <cat-toy> here", ["cat"]),
            ("badhands, a", ["bad"]),
            ("(BADHANDS:1.3) and <CAT-toy><cat-toy>", ["bad", "cat", "cat"]),
            ("badhandsome xbadhands", []),
        ],
    )
    def test_a_token_is_found_as_a_word_in_any_case(self, text: str, found: list[str]) -> None:
        (part,) = read(text, "a1111", self.TOKENS, breaks=False)
        assert [one.embedding for one in part if one.embedding] == found
        assert {name for name, token in self.TOKENS.items() if holds(text, token)} == set(found)

    def test_the_longer_token_is_the_one(self) -> None:
        (part,) = read("badhands-v2", "none", self.TOKENS, breaks=False)
        assert [one.embedding for one in part] == ["worse"]

    def test_it_keeps_its_weight_and_place(self) -> None:
        (part,) = read("x (a <cat-toy> b:1.5)", "a1111", self.TOKENS, breaks=False)
        assert [(one.text.strip(), one.weight, one.embedding) for one in part] == [
            ("x", 1, None),
            ("a", 1.5, None),
            ("<cat-toy>", 1.5, "cat"),
            ("b", 1.5, None),
        ]
