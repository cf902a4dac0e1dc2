"""What a problem gains from the configs depends on what it is, and not on how it is worded."""

from __future__ import annotations

import pytest

from tcdflow.config.compose import Composer
from tcdflow.config.hints import hinted, overshadowed
from tcdflow.errors import Kind, Misfit, Problem
from tests.helpers import problems


def test_what_fits_is_said(composer: Composer) -> None:
    (problem,) = problems(composer, "base=sd15", "loras=[papercut]")
    assert problem.what.startswith(
        "was trained for sdxl and does not fit a base of family sd15; it fits base=animagine_xl or sdxl"
    )
    assert problem.what.count("; it fits base=") == problem.what.count("; sd15 has loras=[") == 1
    assert "[tcd]" in problem.what


def hinted_twice(problem: Problem) -> str:
    """As one that is found with others: it gains each hint once."""
    return hinted(hinted(problem, lambda path: None), lambda path: None).what


def test_what_fits_is_said_in_whatever_words() -> None:
    what = hinted_twice(Problem("loras.x", "WORDS", misfit=Misfit(("sdxl",), "sd15")))
    assert what.startswith("WORDS; it fits base=")
    assert what.count("; it fits base=") == what.count("; sd15 has loras=[") == 1


def test_words_alone_gain_nothing() -> None:
    words = "was trained for sdxl and does not fit a base of family sd15"
    assert hinted_twice(Problem("loras.x", words)) == words
    assert hinted_twice(Problem("scheduler", "must be a mapping", "ddim")) == "must be a mapping"
    assert not overshadowed(Problem("prompt", "is required and set nowhere"), [Problem("base", "WORDS")])


def test_how_a_preset_is_chosen_is_said_in_whatever_words() -> None:
    what = hinted_twice(Problem("scheduler", "WORDS", "ddim", kind="no mapping"))
    assert what == "is a group of settings; a file chooses a preset with 'defaults: [override /scheduler: ddim]'"


@pytest.mark.parametrize("kind", ["missing", "for another"])
def test_what_may_be_there_since_another_was_refused(kind: Kind) -> None:
    problem = Problem("sampling.eta", "WORDS", kind=kind)
    assert overshadowed(problem, [Problem("base", "WORDS")])
    assert not overshadowed(problem, [])
