"""Shipped configs are read and merged once a process; what is composed of them is as if they were read anew."""

from __future__ import annotations

import itertools
import os
import shutil
from pathlib import Path

import pytest
from hydra.core.utils import setup_globals
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from tcdflow.config import loader, places, search
from tcdflow.config.compose import Composer
from tcdflow.config.shipped import Shipped
from tests.helpers import GLOBAL, Write, examples

CHOICES = [
    "base=sdxl",
    "base=sd15",
    "scheduler=ddim",
    "loras=[]",
    "sampling=teacher",
    "experiment=quickstart",
    "runtime=compiled",
    "adapters=[ip_adapter]",
    "sampling.steps=7",
    "prompt=a fox",
    "hydra.run.dir=there",
]


def forget() -> None:
    loader._READ, loader._COMPOSED = Shipped(), Shipped()


@settings(max_examples=examples(0.06))
@given(
    st.lists(st.lists(st.sampled_from(CHOICES), unique_by=lambda text: text.partition("=")[0], max_size=4), max_size=4)
)
def test_whatever_was_composed_before(composer: Composer, several: list[list[str]]) -> None:
    texts = [OmegaConf.to_yaml(composer.load(overrides)) for overrides in several]
    merged = []
    for overrides in several:
        forget()
        merged.append((OmegaConf.to_yaml(composer.load(overrides)), list(composer.loader.merged)))
    assert texts == [text for text, _ in merged]
    for overrides, (_, names) in zip(several, merged, strict=True):
        composer.load(overrides)
        assert list(composer.loader.merged) == names


def test_what_a_caller_changes_stays_its_own(composer: Composer) -> None:
    before = OmegaConf.to_yaml(composer.load(["prompt=x"]))
    config = composer.load(["prompt=x"])
    config.sampling.steps = 999
    config.hydra.run.dir = "elsewhere"
    composer.loader.merged.clear()
    assert OmegaConf.to_yaml(composer.load(["prompt=x"])) == before


def test_the_time_is_that_of_each_composition(composer: Composer) -> None:
    """Else the runs of a shell or warm process would all have the directory of its first one."""
    ticks = itertools.count()
    OmegaConf.register_new_resolver("now", lambda pattern: f"{pattern}{next(ticks)}", use_cache=True, replace=True)
    try:
        first, second = composer.load(["prompt=x"]), composer.load(["prompt=x"])
        assert first.hydra.run.dir != second.hydra.run.dir
        assert first.hydra.run.dir == first.hydra.run.dir
    finally:
        setup_globals()


def test_a_shipped_file_that_is_edited_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = shutil.copytree(places.conf_dir(), tmp_path / "conf")
    monkeypatch.setattr(search, "conf_dir", lambda: copy)
    assert Composer().compose(["prompt=x"]).spec.sampling.steps != 33
    file = copy / "sampling/few_step.yaml"
    file.write_text(file.read_text("utf-8").replace("steps: 4", "steps: 33"), "utf-8")
    os.utime(file, ns=(1, 1))
    assert Composer().compose(["prompt=x"]).spec.sampling.steps == 33


def test_a_users_file_is_read_each_time(configs: Write) -> None:
    composer = Composer(configs({"experiment/mine.yaml": GLOBAL + "prompt: one\n"}))
    assert composer.compose(["experiment=mine"]).spec.prompt == "one"
    configs({"experiment/mine.yaml": GLOBAL + "prompt: two\n"})
    assert composer.compose(["experiment=mine"]).spec.prompt == "two"
