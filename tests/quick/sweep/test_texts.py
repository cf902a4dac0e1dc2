"""Texts of a sweep are what was written: a cell has the text that a single run of the same word has."""

from __future__ import annotations

import functools
import json
from pathlib import Path

import pytest
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from PIL import Image

from tcdflow.config.axes import ends, spelled_out
from tcdflow.config.compose import Composer
from tcdflow.config.guard import forbidden
from tcdflow.config.overrides import literal, unescaped
from tcdflow.errors import ConfigError
from tcdflow.sweeps import planner
from tests.helpers import GLOBAL, Write, examples

WORDS = ["1_000", "1e5", "0.50", "1.", "+7", "-0", "true", "False", "nan", "007"]
INTERPOLATING = ["${", "${prompt}", "\\${x}", "a\\\\${base.size}\\", "${oc.env:HOME}", "???"]
EARLY = settings(max_examples=examples(0.4))


@functools.cache
def shared() -> Composer:
    return Composer()


def prompts(composer: Composer, *told: str) -> list[str]:
    plan = planner.make(composer, told).plan
    return [plan.spec(cell).prompt for cell in plan.cells]


def of_hydra(override: str) -> list[object]:
    """Return the values that Hydra's own sweeper has its jobs compose."""
    (item,), problems = shared().parsed([spelled_out(shared(), override)], sweeping=True)
    assert not problems
    parser = OverridesParser.create()
    (jobs,) = BasicSweeper.split_arguments([parser.parse_override(item.hydra_text)], None)
    return [parser.parse_override(text).value() for (text,) in jobs]


class TestBareWords:
    """What Hydra's grammar reads as a number, a single run takes as it stands."""

    @pytest.mark.parametrize("form", ["{},b", "b, {} ", "choice(b,{})", "choice({},'b')", "shuffle(b,{})", "{}"])
    @pytest.mark.parametrize("word", WORDS)
    def test_of_a_sweep(self, word: str, form: str) -> None:
        override = f"prompt={form.format(word)}"
        assert shared().compose([f"prompt={word}"]).spec.prompt == word
        assert word in prompts(shared(), override, "sampling.seed=1,2")
        assert word in of_hydra(override)

    def test_of_lists(self) -> None:
        told = ["adapters=[ip_adapter]", "base=sdxl", "adapters.ip_adapter.images=[1_000,b]"]
        adapter = shared().compose(told).spec.adapters["ip_adapter"].model_dump()
        assert adapter["images"] == ("1_000", "b")
        assert of_hydra("adapters.ip_adapter.images=[1_000,b],[1e5]") == [["1_000", "b"], ["1e5"]]

    def test_of_what_holds_for_the_whole(self) -> None:
        assert shared().compose(["sweep.name=2024_01"]).sweep.name == "2024_01"

    def test_the_ends_of_an_optimized_sweep(self) -> None:
        assert ends(shared(), ["prompt=1e5,choice,1_000"]) == [("prompt='1e5'",), ("prompt='1_000'",)]

    @pytest.mark.parametrize("text", ["range(3),z", "glob(*),z", "choice(choice(a,b),c)", "{a: b},z"])
    def test_what_is_no_text_is_refused_with_the_text(self, text: str) -> None:
        with pytest.raises(ConfigError, match=r"^prompt: mixes .* as one text it is written 'prompt=\"") as caught:
            planner.make(shared(), [f"prompt={text}"])
        (problem,) = caught.value.problems
        typed = problem.what.rpartition("it is written ")[2].strip("'")
        assert prompts(shared(), typed) == [text]

    def test_ranges_among_numbers_are_refused(self) -> None:
        with pytest.raises(ConfigError, match=r"^sampling\.steps: mixes choice\(\), range\(\) or glob\(\) with"):
            planner.make(shared(), ["sampling.steps=range(3),5"])


class TestDeclaredInAYaml:
    def test_quoted_texts(self, configs: Write) -> None:
        texts = ["1e5", "'quoted'", "\\'x", "null", "true", '"', "a, b", "1:30"]
        mine = configs({"experiment/mine.yaml": f"{GLOBAL}sweep: {json.dumps({'axes': {'prompt': texts}})}\n"})
        assert prompts(Composer(mine), "experiment=mine") == texts

    def test_keys_below_keys_are_told_how_to_be_written(self, configs: Write) -> None:
        mine = configs({"experiment/mine.yaml": f"{GLOBAL}sweep: {{axes: {{sampling: {{steps: [2, 4]}}}}}}\n"})
        with pytest.raises(ConfigError, match=r"^sweep\.axes\.sampling: holds keys; .* as sampling\.steps: \[\.\.\.\]"):
            prompts(Composer(mine), "experiment=mine")

    @pytest.mark.parametrize("number", ["7", "1_000", "1e5", "true"])
    def test_numbers_are_refused(self, number: str, configs: Write) -> None:
        """How they were written is lost by the time that they are known to be text."""
        mine = configs(
            {
                "experiment/axis.yaml": f"{GLOBAL}sweep: {{axes: {{prompt: [a, {number}]}}}}\n",
                "experiment/one.yaml": f"{GLOBAL}prompt: {number}\n",
            }
        )
        for name in ("axis", "one"):
            with pytest.raises(ConfigError, match=r"^prompt = .*: must be text; put quotes around it"):
                planner.make(Composer(mine), [f"experiment={name}", "sampling.seed=1,2"])


class TestOfFiles:
    """What a file says, or is called, interpolates nothing."""

    @pytest.mark.parametrize("others", [[], ["experiment=linked"]])
    def test_prompts(self, others: list[str], configs: Write) -> None:
        texts = INTERPOLATING[:-1] if others else INTERPOLATING
        linked = GLOBAL + "negative_prompt: not ${prompt}\nsampling: {guidance_scale: 2}\n"
        mine = configs({"p.txt": "\n".join(texts), "experiment/linked.yaml": linked})
        plan = planner.make(Composer(mine), [f"sweep.prompts_from={mine / 'p.txt'}", *others]).plan
        specs = [plan.spec(cell) for cell in plan.cells]
        assert [spec.prompt for spec in specs] == texts
        assert len(plan.templates) == (len(texts) if others else 1)
        if others:
            assert [spec.negative_prompt for spec in specs] == [f"not {text}" for text in texts]
        for cell, text in zip(plan.cells, texts, strict=True):
            if text != "???":
                assert Composer(mine).compose(plan.overrides_of(cell), of_sweep=True).spec.prompt == text

    def test_wildcards(self, configs: Write) -> None:
        mine = configs({"words/a.txt": "${base.size}\n"})
        told = f"sweep.wildcards.folder={mine / 'words'}"
        assert prompts(shared(), "prompt='an __a__'", told) == ["an ${base.size}"]
        assert prompts(shared(), "prompt='an __a__',b", told) == ["an ${base.size}", "b"]
        assert prompts(shared(), "prompt='a ${base.size} {c|d}',b", told) == ["a 64 c", "a 64 d", "b"]

    @EARLY
    @given(st.text(st.sampled_from("\\${}a'\" "), max_size=12))
    def test_escaped_text_is_the_text(self, text: str) -> None:
        assert OmegaConf.create({"a": literal(text)}).a == text == unescaped(literal(text))

    @EARLY
    @given(st.lists(st.sampled_from(["\\", "${", "}", "a", ":", "'", "x"]), max_size=12))
    def test_what_counts_as_escaped_calls_no_resolver(self, pieces: list[str]) -> None:
        called: list[object] = []
        OmegaConf.register_new_resolver("a", lambda *given: called.append(given), replace=True)
        text = "".join(pieces)
        try:
            if forbidden("prompt", text) is None:
                str(OmegaConf.create({"p": text}).p)
        except OmegaConfBaseException:
            pass
        finally:
            OmegaConf.clear_resolver("a")
        assert not called


def test_names_of_files(composer: Composer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number, name in enumerate(("x${base.size}.png", "x64.png")):
        Image.new("RGB", (64, 64), (number, 0, 0)).save(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    plan = planner.make(composer, ["task=image_to_image", "task.image=glob(*.png)"]).plan
    images = [plan.spec(cell).task.model_dump()["image"] for cell in plan.cells]
    assert sorted(images) == ["x${base.size}.png", "x64.png"]
    (first, _) = ends(composer, ["task.image=glob(*.png)"])
    assert composer.compose(["task=image_to_image", *first]).spec.task.model_dump()["image"] == images[0]
