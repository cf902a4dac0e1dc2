"""Composition: what overrides and files come to, and that every config that ships is a good one."""

from __future__ import annotations

import functools
import socket
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import tcdflow
from tcdflow.config.axes import axes
from tcdflow.config.compose import Composer
from tcdflow.config.distill import DistillComposer
from tcdflow.config.overrides import parse, quoted
from tcdflow.config.places import conf_dir
from tests.helpers import GLOBAL, Write, examples, problems

BASE_OF = {"emoji": "emoji", "icons": "icons", "sd15": "sd15", "sd21": "sd21_base", "sdxl": "sdxl"}

printable = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), min_size=1, max_size=60)
tricky = st.text(
    st.sampled_from(list("\\'\"$[](){}:=,#@~+%!*?&|<> \t\n-.0123456789eE_aé漢🙂")), min_size=1, max_size=20
)
words = st.sampled_from(["true", "no", "1.50", "1_000", "1e3", "0x10", "nan", "range(3)", "glob(*)", "int(3)", "[a,b]"])
prompts = printable | tricky | words


def literal(text: str) -> bool:
    """Say whether a prompt is no interpolation, and none of what Hydra's grammar keeps for itself."""
    inner = text.strip()
    in_quotes = inner[:1] in ("'", '"') and inner[:1] == inner[-1:]
    return bool(inner) and "${" not in text and not in_quotes and inner.lower() != "null" and text != "???"


@functools.cache
def shared() -> Composer:
    """For hypothesis, which takes no fixtures of a function's scope."""
    return Composer()


def swept(composer: Composer, override: str) -> list[str]:
    """Return the overrides of single runs that a sweep of one override comes to."""
    (axis,) = axes(composer, [override]).axes
    return [point.text for (point,) in axis]


class TestPrompts:
    """In a single run a prompt is what stands behind the equals sign, character for character."""

    @given(prompts)
    def test_hydra_reads_every_character(self, text: str) -> None:
        assume(literal(text))
        assert parse(f"prompt={text}").value() == text

    @settings(max_examples=examples(0.4))
    @given(prompts, st.sampled_from(["prompt", "+prompt", "++prompt", "negative_prompt"]))
    def test_it_arrives_in_the_spec(self, text: str, key: str) -> None:
        assume(literal(text))
        spec = shared().compose([f"{key}={text}"]).spec
        assert getattr(spec, key.lstrip("+")) == text

    @settings(max_examples=examples(0.4))
    @given(prompts)
    def test_a_sweep_passes_on_what_it_was_given_in_quotes(self, text: str) -> None:
        assume("${" not in text)
        assert [parse(said).value() for said in swept(shared(), f"prompt={quoted(text)},a fox")] == [text, "a fox"]

    @pytest.mark.parametrize("text", ["a red heart", r"a \(red\) heart", "it is 1\\, 2", " spaced "])
    def test_a_sweep_of_unquoted_prompts_follows_hydras_grammar(self, text: str, composer: Composer) -> None:
        said, _ = swept(composer, f"prompt={text},x")
        plain = text.replace(r"\(", "(").replace(r"\)", ")").replace("\\,", ",").strip()
        assert composer.compose([said]).spec.prompt == plain

    @pytest.mark.parametrize("text", ["'a red heart'", '"a red heart"'])
    def test_quotes_around_the_whole_are_hydras(self, text: str, composer: Composer) -> None:
        assert composer.compose([f"prompt={text}"]).spec.prompt == "a red heart"

    def test_a_key_can_be_named_in_it(self, composer: Composer) -> None:
        assert composer.compose(["prompt=a fox, ${base.family}"]).spec.prompt == "a fox, emoji"

    def test_a_key_can_be_shown_in_it(self, composer: Composer) -> None:
        assert composer.compose([r"prompt=a \${base.family}"]).spec.prompt == "a ${base.family}"

    @pytest.mark.parametrize("text", ["${", "a ${ b", "${}", "${no.such.key}", "${prompt}"])
    def test_what_looks_like_a_key_and_is_none_is_refused(self, text: str, composer: Composer) -> None:
        assert [problem.key for problem in problems(composer, f"prompt={text}")] == ["prompt"]

    @pytest.mark.parametrize("key", ["prompt", "negative_prompt"])
    def test_null_is_no_text(self, key: str, composer: Composer) -> None:
        (problem,) = problems(composer, f"{key}=null")
        assert (problem.key, problem.what, problem.origin) == (key, "must be text", f"{key}=null")


class TestOverrides:
    """What Hydra's grammar says, said with less ceremony."""

    @pytest.mark.parametrize("plus", ["", "+", "++"])
    def test_a_key_that_no_file_mentions_needs_no_plus(self, plus: str, composer: Composer) -> None:
        spec = composer.compose([f"{plus}loras.mine.source=embedded:emoji/tcd_lora", f"{plus}sampling.width=32"]).spec
        assert list(spec.loras) == ["tcd", "mine"]
        assert spec.sampling.width == 32

    def test_the_last_of_several_wins(self, composer: Composer) -> None:
        assert composer.compose(["sampling.eta=0.1", "base=emoji", "sampling.eta=0.7"]).spec.sampling.eta == 0.7

    def test_a_value_survives_the_choice_of_its_group(self, composer: Composer) -> None:
        spec = composer.compose(["sampling.steps=9", "sampling=teacher"]).spec
        assert (spec.sampling.steps, spec.sampling.guidance_scale) == (9, 7.5)

    def test_the_library_and_the_command_line_compose_alike(self, composer: Composer) -> None:
        said = ["base=sdxl", "loras=[papercut,tcd]", "prompt=a, b", "sampling.seed=[3,1]"]
        assert tcdflow.compose(*said) == composer.compose(said).spec

    def test_a_composition_remembers_what_was_said(self, composer: Composer) -> None:
        said = ("prompt=a, b", "++sampling.steps=3")
        assert composer.compose(said).overrides == said

    def test_compositions_do_not_know_of_each_other(self, composer: Composer) -> None:
        plain = composer.compose([]).spec
        composer.compose(["base=sdxl", "sampling=teacher", "loras=[]", "prompt=other"])
        assert composer.compose([]).spec == plain

    def test_nothing_is_left_to_interpolate(self, composer: Composer) -> None:
        assert "${" not in composer.compose(["base=sdxl", "loras=[tcd,papercut]"]).spec.model_dump_json()


class TestLists:
    """Groups of which several can be chosen."""

    @pytest.mark.parametrize("names", [["tcd", "papercut"], ["papercut", "tcd"], ["papercut"], []])
    def test_the_order_is_kept(self, names: list[str], composer: Composer) -> None:
        composition = composer.compose(["base=sdxl", f"loras=[{','.join(names)}]"])
        assert list(composition.spec.loras) == names
        assert composition.choices["loras"] == names

    def test_one_entry_is_overridden_by_name(self, composer: Composer) -> None:
        spec = composer.compose(["base=sdxl", "loras=[tcd,papercut]", "loras.papercut.weight=0.5"]).spec
        assert {name: lora.weight for name, lora in spec.loras.items()} == {"tcd": 1.0, "papercut": 0.5}

    def test_a_preset_takes_the_checkpoint_of_the_family(self, composer: Composer) -> None:
        sources = {base: composer.compose([f"base={base}"]).spec.loras["tcd"].source for base in BASE_OF.values()}
        assert len(set(sources.values())) == len(BASE_OF)
        assert sources["emoji"] == "embedded:emoji/tcd_lora"

    def test_the_choices_of_a_run_are_known(self, composer: Composer) -> None:
        choices = composer.compose(["base=sdxl", "sampling=teacher"]).choices
        assert (choices["base"], choices["sampling"], choices["experiment"]) == ("sdxl", "teacher", None)


class TestUserDirectory:
    """``--config-dir`` adds, and takes nothing away."""

    def test_options_are_added(self, configs: Write) -> None:
        mine = configs(
            {
                "sampling/mine.yaml": "steps: 2\neta: 0.9\nguidance_scale: 0\nseed: 7\n",
                "loras/ink.yaml": "ink:\n  source: owner/ink\n  weight: 0.4\n",
                "experiment/mine.yaml": GLOBAL
                + "defaults:\n  - override /sampling: mine\n  - override /loras: [tcd, ink]\n"
                "prompt: an ink heart\nsampling: {eta: 0.5}\n",
            }
        )
        spec = tcdflow.compose("experiment=mine", "sampling.seed=8", config_dir=mine)
        assert (spec.prompt, spec.sampling.steps, spec.sampling.eta, spec.sampling.seed) == ("an ink heart", 2, 0.5, 8)
        assert {name: lora.weight for name, lora in spec.loras.items()} == {"tcd": 1.0, "ink": 0.4}

    @pytest.mark.parametrize("name", ["config.yaml", "base/sdxl.yaml", "experiment/quickstart.yaml"])
    def test_no_file_of_ours_can_be_hidden(self, name: str, configs: Write) -> None:
        mine = configs({name: "prompt: mine\n"})
        with pytest.raises(tcdflow.ConfigError) as caught:
            tcdflow.compose(config_dir=mine)
        (problem,) = caught.value.problems
        assert (problem.key, problem.value, problem.origin) == ("--config-dir", name, str(mine))

    def test_a_directory_that_is_none_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(tcdflow.ConfigError, match=r"--config-dir = .*directory not found"):
            tcdflow.compose(config_dir=tmp_path / "missing")


def shipped() -> list[tuple[str, str]]:
    files = sorted(conf_dir().glob("*/*.yaml"))
    return [(file.parent.name, file.stem) for file in files]


def test_few_presets_are_missing_from_the_tests_below() -> None:
    assert len(shipped()) >= 45
    assert {"base", "scheduler", "loras", "sampling", "runtime", "output", "experiment"} <= {g for g, _ in shipped()}


@pytest.mark.parametrize(("group", "name"), shipped())
def test_every_preset_composes_with_no_network(
    group: str, name: str, composer: Composer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("composing a run asked the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    distill = group in ("distill", "data")
    overrides = context(group, name)
    composed = DistillComposer().distillation(overrides) if distill else composer.compose(overrides)
    chosen = list(composed.tracking.tracker) if group == "tracker" else composed.choices[group]
    assert name in (chosen if isinstance(chosen, list) else [chosen])


@pytest.mark.parametrize("name", [name for group, name in shipped() if group == "experiment"])
def test_every_experiment_begins_with_the_command_that_runs_it(name: str) -> None:
    head = (conf_dir() / "experiment" / f"{name}.yaml").read_text("utf-8").splitlines()[:2]
    assert head == ["# @package _global_", f"# tcdflow experiment={name}"]


def test_every_preset_says_what_it_is() -> None:
    silent = [
        f"{group}/{name}" for group, name in shipped() if group != "experiment" and not described(content(group, name))
    ]
    assert silent == []


def content(group: str, name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((conf_dir() / group / f"{name}.yaml").read_text("utf-8"))
    return loaded


def described(preset: dict[str, Any]) -> bool:
    return bool(preset.get("description")) or any(v.get("description") for v in preset.values() if isinstance(v, dict))


def context(group: str, name: str) -> list[str]:
    """Return the overrides with which an option makes a whole run: a base that it fits, and what it asks for."""
    preset = content(group, name)
    entries = (
        [value for value in preset.values() if isinstance(value, dict)]
        if group in ("loras", "embeddings", "adapters")
        else []
    )
    family = next((entry["family"] for entry in entries if "family" in entry), None)
    if family is None and entries and (sources := entries[0].get("sources")):
        family = next(iter(sources))
    chosen = [f"{group}=[{name}]" if group in ("loras", "embeddings", "adapters") else f"{group}={name}"]
    chosen += [f"base={BASE_OF[family]}"] if family else []
    if any(entry.get("kind") == "motion_adapter" for entry in entries) or "animation" in preset.get("tasks", ()):
        chosen += ["task=animation"]
    if name == "animation" and group == "task":
        chosen += ["base=sd15", "adapters=[motion]"]
    if group == "base" and preset.get("tasks") and "text_to_image" not in preset["tasks"]:
        chosen += [f"task={preset['tasks'][0]}", *asked_for("task", content("task", preset["tasks"][0]))]
    prefix = {"experiment": ""}.get(group, group)
    return [*chosen, *asked_for(prefix, preset)]


def asked_for(prefix: str, node: object) -> list[str]:
    """Return an override for each ``???`` of a preset."""
    if isinstance(node, dict):
        below = [asked_for(f"{prefix}.{key}" if prefix else str(key), value) for key, value in node.items()]
        return [text for texts in below for text in texts]
    return [f"{prefix}=some_image.png"] if node == "???" else []
