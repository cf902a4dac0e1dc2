"""Messages of mistakes in a user's files: of which file, in which line, and what to write instead."""

from __future__ import annotations

from typing import ClassVar

import pytest

from tcdflow.config.compose import Composer
from tcdflow.errors import Problem
from tcdflow.sweeps.planner import make
from tests.helpers import GLOBAL, Write, problems
from tests.quick.config.test_messages import WEIGHT


class TestFiles:
    """A mistake in a user's file is told of that file."""

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("sampling: {stpes: 3}", Problem("sampling.stpes", "unknown key", nearest="steps")),
            ("sampling: {eta: 2}", Problem("sampling.eta", "must be at least 0 and at most 1", 2)),
            ("sampling: {steps: many}", Problem("sampling.steps", "must be a whole number", "many")),
            ("pompt: a fox", Problem("pompt", "unknown key", nearest="prompt")),
            ("prompt: ''", Problem("prompt", "must not be empty", "")),
            ("loras: {tcd: {weight: heavy}}", Problem("loras.tcd.weight", WEIGHT, "heavy")),
            ("sampling: {width: 60}", Problem("sampling.width", "must be a multiple of 8, such as 64", 60)),
            ("sampling: {steps: 51}", Problem("sampling.steps", "", 51)),
            ("defaults: [override /base: sdlx]", Problem("base", "", "sdlx", nearest="sdxl")),
            ("defaults: [override /loras: [tcd, papercat]]", Problem("loras", "", "papercat", nearest="papercut")),
            ("defaults: [override /base: xyzzy]", Problem("base", "", "xyzzy")),
        ],
    )
    def test_of_an_experiment(self, text: str, expected: Problem, configs: Write) -> None:
        mine = configs({"experiment/mine.yaml": GLOBAL + text + "\n"})
        (problem,) = problems(Composer(mine), "experiment=mine")
        assert (problem.key, problem.value, problem.nearest) == (expected.key, expected.value, expected.nearest)
        assert problem.what == (expected.what or problem.what)
        assert problem.origin == "experiment/mine.yaml"

    def test_of_a_preset(self, configs: Write) -> None:
        mine = configs({"sampling/mine.yaml": "steps: 4\neta: 3\nguidance_scale: 0\n"})
        (problem,) = problems(Composer(mine), "sampling=mine")
        assert (problem.key, problem.origin) == ("sampling.eta", "sampling/mine.yaml")

    def test_the_last_word_is_blamed(self, configs: Write) -> None:
        mine = configs(
            {
                "sampling/mine.yaml": "steps: 4\neta: 3\nguidance_scale: 0\n",
                "experiment/mine.yaml": GLOBAL + "defaults:\n  - override /sampling: mine\nsampling: {eta: 4}\n",
            }
        )
        composer = Composer(mine)
        assert [p.origin for p in problems(composer, "experiment=mine")] == ["experiment/mine.yaml"]
        assert [p.origin for p in problems(composer, "experiment=mine", "sampling.eta=5")] == ["sampling.eta=5"]
        assert [p.origin for p in problems(composer, "sampling=mine")] == ["sampling/mine.yaml"]

    def test_a_file_of_ours_is_named_where_it_is(self, composer: Composer) -> None:
        found = problems(composer, "~base.size")
        assert [(p.key, p.what) for p in found] == [("base.size", "is required and set nowhere")]

    @pytest.mark.parametrize("name", ["mine", "sub/mine"])
    def test_an_experiment_needs_no_first_line(self, name: str, configs: Write) -> None:
        mine = configs({f"experiment/{name}.yaml": "defaults: [override /base: icons]\nprompt: a fox\n"})
        spec = Composer(mine).compose([f"experiment={name}"]).spec
        assert (spec.prompt, spec.base.source) == ("a fox", "embedded:icons")

    def test_an_experiment_with_another_first_line(self, configs: Write) -> None:
        mine = configs({"experiment/mine.yaml": "# @package experiment\nprompt: a fox\n"})
        (problem,) = problems(Composer(mine), "experiment=mine")
        assert (problem.key, problem.origin) == ("experiment", "experiment/mine.yaml")
        assert "'# @package _global_'" in problem.what

    @pytest.mark.parametrize(
        ("text", "key", "what"),
        [
            ("base: icons", "base", "a file chooses a preset with 'defaults: [override /base: icons]'"),
            ("base: 3", "base", "must be a mapping"),
            ("base: null", "base", "must be a mapping"),
            ("base: [icons]", "base", "a file chooses a preset with 'defaults: [override /base: [icons]]'"),
            ("scheduler: ddim", "scheduler", "a file chooses a preset with 'defaults: [override /scheduler: ddim]'"),
            ("loras: tcd", "loras", "a file chooses a preset with 'defaults: [override /loras: [tcd]]'"),
            ("experiment: quickstart", "experiment", "by its name alone, first in its list: 'defaults: [quickstart]'"),
        ],
    )
    def test_a_value_in_place_of_a_group_is_all_that_is_wrong(
        self, text: str, key: str, what: str, configs: Write
    ) -> None:
        mine = configs({"experiment/mine.yaml": f"{GLOBAL}{text}\nnegative_prompt: ${{base.source}}\n"})
        (problem,) = problems(Composer(mine), "experiment=mine")
        assert problem.key == key
        assert problem.what.endswith(what)
        assert problem.place == f"{mine}/experiment/mine.yaml:2"

    @pytest.mark.parametrize(
        ("text", "what"), [("prompt: [a fox\nbase: x\n", "is not valid YAML"), ("- a\n", "must hold keys with values")]
    )
    def test_a_file_that_cannot_be_read_is_named_by_its_path(self, text: str, what: str, configs: Write) -> None:
        mine = configs({"experiment/mine.yaml": "prompt: a\n", "other.yaml": text, "experiment/bad.yaml": text})
        for composer, name in ((Composer(mine, experiment=mine / "other.yaml"), "other"), (Composer(mine), "bad")):
            (problem,) = problems(composer, f"experiment={name}")
            where = mine / ("other.yaml" if name == "other" else "experiment/bad.yaml")
            assert str(problem).startswith(f"{where}: {what}")
            assert str(problem).count(".yaml") == 1
            assert ("needs quotes" in str(problem)) == (what == "is not valid YAML")


class TestValuesLeftOpen:
    """``???`` in a user's file is a gap that something later fills, and never the value of an earlier file."""

    FILES: ClassVar = {
        "sampling/mine.yaml": "steps: 4\neta: ???\nguidance_scale: 0\n",
        "experiment/open.yaml": GLOBAL + "prompt: ???\nsampling: {seed: '???'}\nloras: {tcd: {weight: '???'}}\n",
        "experiment/fills.yaml": GLOBAL + "defaults: [override /sampling: mine]\nsampling: {eta: 0.2}\n",
        "experiment/group.yaml": GLOBAL + "sampling: ???\n",
    }
    GIVEN = ("prompt=a cat", "sampling.seed=3", "loras.tcd.weight=0.5")

    def test_each_is_told(self, configs: Write) -> None:
        found = problems(Composer(configs(self.FILES)), "experiment=open")
        assert sorted(str(p) for p in found) == [
            "loras.tcd.weight: must be given, as loras.tcd.weight=...",
            "prompt: must be given, as prompt=...",
            "sampling.seed: must be given, as sampling.seed=...",
        ]

    def test_an_override_fills_it(self, configs: Write) -> None:
        spec = Composer(configs(self.FILES)).compose(["experiment=open", *self.GIVEN]).spec
        assert (spec.prompt, spec.sampling.seed, spec.loras["tcd"].weight) == ("a cat", 3, 0.5)

    def test_an_axis_fills_it(self, configs: Write) -> None:
        planned = make(Composer(configs(self.FILES)), ["experiment=open", *self.GIVEN[1:], "prompt=a cat,a dog"])
        assert [cell.values["prompt"] for cell in planned.plan.cells] == ["a cat", "a dog"]

    def test_a_later_file_fills_it(self, configs: Write) -> None:
        composer = Composer(configs(self.FILES))
        assert [p.key for p in problems(composer, "sampling=mine")] == ["sampling.eta"]
        assert composer.compose(["experiment=fills"]).spec.sampling.eta == 0.2

    def test_a_group_is_no_value(self, configs: Write) -> None:
        (problem,) = problems(Composer(configs(self.FILES)), "experiment=group")
        assert str(problem).startswith("sampling = '???': is a group of settings")
        assert problem.origin == "experiment/group.yaml"


class TestDefaultsLists:
    """Mistakes of a list of defaults, which Hydra answers with its own classes, and one at a time."""

    @pytest.mark.parametrize(
        ("entry", "said"),
        [
            ("override base: sdxl", "defaults = 'override base: sdxl': write 'override /base: sdxl', with a slash"),
            ("/base: sdxl", "defaults = '/base: sdxl': write 'override /base: sdxl': a preset of this group is chosen"),
            ("base: sdxl", "write 'override /base: sdxl'"),
            ("override /loras: [tcd, papercat]", "loras = 'papercat': must be one of"),
            ("override /loras: [tcd, tcd]", "loras = 'tcd': is chosen twice, and would be one entry; loras.tcd.weight"),
            ("override /bsae: sdxl", "unknown group; there are adapters, base"),
            ("override /bsae: sdxl", "did you mean 'override /base: sdxl'?"),
            ("sdxl", "there is no config experiment/sdxl.yaml; did you mean 'override /base: sdxl'?"),
            ("/experiment: quickstart", "an experiment takes another by its name alone, first in the list: '- quick"),
            ("override /experiment: quickstart", "an experiment takes another by its name alone"),
            ("quikstart", "did you mean 'quickstart'?"),
            ("{override /base: sdxl, override /loras: [tcd]}", "Too many keys in default item"),
        ],
    )
    def test_what_to_write_instead_is_said(self, entry: str, said: str, configs: Write) -> None:
        mine = configs({"experiment/mine.yaml": f"{GLOBAL}defaults:\n  - {entry}\nprompt: a fox\n"})
        (problem,) = problems(Composer(mine), "experiment=mine")
        assert said in str(problem)
        assert f"{mine}/experiment/mine.yaml" in str(problem)

    def test_they_hide_no_other_mistake(self, configs: Write) -> None:
        text = (
            "defaults: [override base: sdxl, override /loras: [tdc]]\nsampling: {stpes: 3, eta: 2}\nscheduler: ddim\n"
        )
        mine = configs({"experiment/mine.yaml": GLOBAL + text})
        found = problems(Composer(mine), "experiment=mine", "sampling.steps=0")
        assert {problem.key for problem in found} == {
            "defaults",
            "loras",
            "sampling.stpes",
            "sampling.eta",
            "sampling.steps",
            "scheduler",
        }

    @pytest.mark.parametrize("order", ["[override /base: sdxl, quickstart]", "[quickstart, override /base: sdxl]"])
    def test_what_overrides_may_stand_anywhere(self, order: str, configs: Write) -> None:
        composer = Composer(configs({"experiment/mine.yaml": f"{GLOBAL}defaults: {order}\n"}))
        spec = composer.compose(["experiment=mine"]).spec
        assert (spec.base.family, spec.prompt) == ("sdxl", "a fox on a green background")

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("scheduler: ddim", "a file chooses a preset with 'defaults: [override /scheduler: ddim]'"),
            ("loras: tcd", "a file chooses a preset with 'defaults: [override /loras: [tcd]]'"),
            ("loras: [tcd, papercut]", "a file chooses a preset with 'defaults: [override /loras: [tcd, papercut]]'"),
        ],
    )
    def test_a_preset_in_place_of_settings(self, text: str, said: str, configs: Write) -> None:
        (problem,) = problems(Composer(configs({"experiment/mine.yaml": GLOBAL + text + "\n"})), "experiment=mine")
        assert said in problem.what


class TestPlaces:
    """Where in a user's file a mistake stands."""

    @pytest.mark.parametrize(
        ("text", "line"),
        [
            ("\nsampling:\n  steps: 4\n  eta: 2\n", 5),
            ("sampling: {eta: 2}\n", 2),
            ("defaults:\n  - override /loras: [tcd]\n  - override /base: sdlx\n", 4),
            ("prompt: a\nloras: {tcd: {weight: heavy}}\n", 3),
            ("sweep:\n  retry: many\n", 3),
        ],
    )
    def test_path_and_line(self, text: str, line: int, configs: Write) -> None:
        mine = configs({"experiment/mine.yaml": GLOBAL + text})
        (problem,) = problems(Composer(mine), "experiment=mine")
        assert problem.place == f"{mine}/experiment/mine.yaml:{line}"
        assert str(problem).endswith(f"[{problem.place}]")

    def test_relative_to_where_one_is(self, configs: Write, monkeypatch: pytest.MonkeyPatch) -> None:
        mine = configs({"sampling/mine.yaml": "steps: 4\neta: 3\nguidance_scale: 0\n"})
        monkeypatch.chdir(mine)
        (problem,) = problems(Composer(mine), "sampling=mine")
        assert problem.place == "sampling/mine.yaml:2"

    def test_of_a_file_that_is_no_yaml(self, configs: Write) -> None:
        mine = configs({"experiment/mine.yaml": "prompt: [\n"})
        (problem,) = problems(Composer(mine), "experiment=mine")
        assert problem.place == f"{mine}/experiment/mine.yaml"
