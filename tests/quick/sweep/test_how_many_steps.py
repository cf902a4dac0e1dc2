"""The sweeps that ``docs/how_many_steps.md`` is about."""

from __future__ import annotations

from pathlib import Path

import pytest

from tcdflow.config import named
from tcdflow.config.compose import Composer
from tcdflow.embedded import unknown_words
from tcdflow.sweeps import planner

ROOT = Path(__file__).parents[3]
PROMPTS = (ROOT / "docs/how_many_steps/prompts.txt").read_text("utf-8").splitlines()


@pytest.mark.parametrize(("name", "conditions"), [("tcd", 4 * 4 + 1), ("teacher", 5 + 1)])
def test_they_are_the_sweeps_that_the_page_says(name: str, conditions: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    words = named.read([f"docs/how_many_steps/{name}.yaml"])
    plan = planner.make(Composer(experiment=words.file), words.overrides).plan
    assert len(plan.cells) == conditions * len(PROMPTS) == conditions * 48
    assert not any(unknown_words("emoji", prompt) for prompt in PROMPTS)
