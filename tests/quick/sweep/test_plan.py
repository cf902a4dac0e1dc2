"""What a plan is: its axes, what is left out of it, its names, and that it is frozen."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcdflow.config.compose import Composer
from tcdflow.errors import ConfigError, RecordError
from tcdflow.multirun.launcher import Launcher, Process
from tcdflow.request.prepare import Preparer
from tcdflow.request.request import Request
from tcdflow.sweeps import plan as plans
from tcdflow.sweeps import planner
from tcdflow.sweeps.directory import freeze
from tcdflow.sweeps.names import cell_names, sweep_name
from tcdflow.sweeps.plan import Cell
from tcdflow.sweeps.runner import Runner
from tests.helpers import GLOBAL, Write
from tests.sweep.fake import Sweep

CELL = {"template": 0, "values": {}, "overrides": (), "key": "", "how": "", "files": ()}
ZIP = "sweep.zip=[[sampling.steps,sampling.eta]]"
DECLARED = """
sweep:
  axes:
    sampling.steps: [2, 4, 8]
    sampling.eta: [0, 0.3, 1]
    sampling.seed: range(2)
    loras: [[tcd], []]
  zip: [[sampling.steps, sampling.eta]]
  exclude:
    - {sampling.steps: [2, 4], loras: []}
    - {sampling.seed: 1, sampling.eta: 1.0}
"""


def values(composer: Composer, *overrides: str) -> list[tuple[object, ...]]:
    return [tuple(cell.values.values()) for cell in planner.make(composer, overrides).plan.cells]


def wrong(composer: Composer, *overrides: str) -> str:
    with pytest.raises(ConfigError) as caught:
        planner.make(composer, overrides)
    return str(caught.value)


class TestAxes:
    def test_zip_moves_axes_together(self, composer: Composer) -> None:
        found = values(composer, "sampling.steps=2,4", "sampling.seed=1,2", "sampling.eta=0,1", ZIP)
        assert found == [(2, 0, 1), (2, 0, 2), (4, 1, 1), (4, 1, 2)]

    @pytest.mark.parametrize(
        ("told", "found"),
        [
            (["sampling.steps=2,4", "sampling.eta=0,0.3,1", ZIP], "sampling.steps has 2, sampling.eta has 3"),
            (["sampling.steps=2,4", ZIP], "sampling.eta': there is no such axis; there are sampling.steps"),
            (["sampling.steps=2,4", "sweep.zip=[[sampling.steps],[sampling.steps]]"], "is named twice"),
            (["sampling.eta=0,1", "sweep.exclude=[{sampling.etta:1}]"], "there is no such axis"),
            (["sampling.eta=0,1", "sweep.exclude=[{sampling.eta:[0,1]}]"], "leaves no cell"),
            (["sampling.eta=0,1", "++sampling.eta=0,1"], "is swept twice"),
            (["sweep.retry=1,2"], "cannot vary within it"),
            (["sampling.eta=0,1", "sweep.on_eror=stop"], "sweep.on_eror"),
            (["sweep.prompts_from=no_such.txt"], "No such file"),
            (["sampling.seed=range(5,1)"], "has no value"),
            (["sampling.seed=range(3000)", "sampling.num_images=range(1,1000)"], "at most 1000000"),
        ],
    )
    def test_what_is_wrong_is_said(self, told: list[str], found: str, composer: Composer) -> None:
        assert found in wrong(composer, *told)

    def test_exclude_on_the_command_line(self, composer: Composer) -> None:
        rules = "sweep.exclude=[{sampling.steps:2,sampling.eta:[0.3,1]},{prompt:'a, b'}]"
        found = values(composer, "sampling.steps=2,4", "sampling.eta=range(0,1.2,0.3)", "prompt='a, b',c", rules)
        assert (2, pytest.approx(0.3), "c") not in found and (2, pytest.approx(0.6), "c") in found
        assert {prompt for *_, prompt in found} == {"c"}
        assert planner.make(composer, ["sampling.eta=0,1", "sweep.exclude=[{sampling.eta:0}]"]).plan.excluded == 1

    def test_truth_values_are_no_numbers(self, composer: Composer) -> None:
        assert len(values(composer, "sampling.seed=0,1", "sweep.exclude=[{sampling.seed:true}]")) == 2

    def test_a_rule_that_leaves_out_nothing_is_told(self, composer: Composer) -> None:
        planned = planner.make(composer, ["sampling.eta=0,1", "sweep.exclude=[{sampling.eta:0.5}]"])
        assert "sweep.exclude.0 leaves out nothing" in planned.warnings

    def test_a_cell_is_warned_as_a_run_of_its_own(self, composer: Composer) -> None:
        planned = planner.make(composer, ["scheduler=tcd,euler"])
        plan, prepare = planned.plan, Preparer()
        for cell in plan.cells:
            prepared = prepare(plan.request(cell, plan.pins(), plan.artifacts(cell)))
            alone = prepare(Request.composed(composer.compose(plan.overrides_of(cell))))
            assert prepared.warnings == alone.warnings
            assert bool(prepared.warnings) == (cell.overrides == ("scheduler=euler",))
        assert len(planned.warnings) == 2

    def test_sample_is_drawn_with_its_seed_in_order(self, composer: Composer) -> None:
        def drawn(seed: int) -> list[tuple[object, ...]]:
            return values(composer, "sampling.seed=range(50)", "sweep.sample.count=5", f"sweep.sample.seed={seed}")

        assert drawn(1) == drawn(1) != drawn(2)
        assert len(drawn(1)) == 5 and drawn(1) == sorted(drawn(1))

    def test_prompts_from_a_file_are_an_axis(self, composer: Composer, tmp_path: Path) -> None:
        file = tmp_path / "prompts.txt"
        file.write_text('\ufeffa, b\n\n# no prompt\n  it\'s "c": d=e  \nein grünes Herz\n', "utf-8")
        found = values(composer, f"sweep.prompts_from={file}", "sampling.seed=1,2")
        prompts = [prompt for _, prompt in found]
        assert list(dict.fromkeys(prompts)) == ["a, b", 'it\'s "c": d=e', "ein grünes Herz"]
        assert "is given as well" in wrong(composer, f"sweep.prompts_from={file}", "prompt=x")

    def test_declared_in_a_yaml(self, configs: Write) -> None:
        composer = Composer(configs({"experiment/mine.yaml": GLOBAL + DECLARED}))
        plan = planner.make(composer, ["experiment=mine"]).plan
        told = [" ".join(cell.overrides) for cell in plan.cells]
        assert len(told) == 2 * 3 * 2 - 4 - 2
        assert not any("steps=2" in text and "loras=[]" in text for text in told)
        assert "sampling.eta=0.3" in " ".join(text for text in told if "steps=4" in text)

    def test_the_command_line_has_the_last_word(self, configs: Write) -> None:
        declared = GLOBAL + "sweep: {axes: {sampling.steps: [2, 4], sampling.seed: range(3)}}\n"
        composer = Composer(configs({"experiment/mine.yaml": declared}))
        assert values(composer, "experiment=mine", "sampling.steps=8") == [(0,), (1,), (2,)]
        assert len(values(composer, "experiment=mine", "sampling.steps=1,2,3,4")) == 12

    def test_a_sweep_that_differs_between_cells_is_refused(self, configs: Write) -> None:
        composer = Composer(configs({"experiment/mine.yaml": GLOBAL + "sweep: {retry: 3}\n"}))
        assert "differs between cells" in wrong(composer, "experiment=mine,null")

    def test_shuffled_the_same_each_time(self, composer: Composer) -> None:
        text = "sampling.seed=shuffle(range(20))"
        assert values(composer, text) == values(composer, text) != values(composer, "sampling.seed=range(20)")


class TestCells:
    def test_duplicates_are_folded(self, composer: Composer) -> None:
        planned = planner.make(composer, ["sampling.eta=0,0.0,0.5", "sampling.seed=1"])
        assert [len(planned.plan.cells), planned.plan.folded] == [2, 1]
        told = "3 cells asked for, 2 made: 1 the same as another (sampling.eta=0.0, as sampling.eta=0)"
        assert planned.folded == (told,)
        again = planner.make(composer, ["sampling.seed=1,1,1", "sampling.eta=0,1"])
        told = "6 cells asked for, 2 made: 4 the same as another (such as sampling.seed=1 sampling.eta=0 twice)"
        assert again.folded == (told,)
        assert planner.make(composer, ["sampling.seed=1,2"]).folded == ()

    def test_what_differs_in_how_it_is_made_is_no_duplicate(self, composer: Composer) -> None:
        plan = planner.make(composer, ["output=png,jpeg"]).plan
        assert len(plan.cells) == 2 and plan.cells[0].key == plan.cells[1].key

    def test_a_lora_that_may_fit_in_part_is_no_duplicate(self, composer: Composer) -> None:
        """One of the two may be refused, and a plan with it is no other way to go on with one without."""
        plan = planner.make(composer, ["++loras.tcd.partial=true,false"]).plan
        assert len(plan.cells) == 2 and plan.cells[0].key == plan.cells[1].key
        assert plan.cells[1].how == planner.make(composer, ["sampling.seed=0"]).plan.cells[0].how

    def test_every_bad_cell_is_listed_with_its_overrides(self, composer: Composer) -> None:
        said = wrong(composer, "sampling.steps=4,60", "sampling.eta=0,2", "sampling.seed=range(2)", "base=emoji,sd15")
        assert "sampling.eta = 2" in said and "sampling.steps = 60" in said
        assert "sampling.steps=4 sampling.eta=2 sampling.seed=1 base=emoji" in said
        assert re.search(r"\d cells: .*and \d+ more", said)

    def test_all_of_what_is_wrong_is_said_at_once(self, composer: Composer) -> None:
        said = wrong(composer, "sampling.eta=2,3", "loras.tcd.source=embedded:emoji/tcd_lora,no/such.safetensors")
        assert "sampling.eta = 2" in said and "sampling.eta = 3" in said

    def test_the_costliest_change_is_outermost(self, composer: Composer) -> None:
        plan = planner.make(composer, ["sampling.seed=1,2", "prompt=a,b", "loras.tcd.weight=0.5,1"]).plan
        assert [tuple(cell.values.values()) for cell in plan.cells] == [
            (seed, prompt, weight) for weight in (0.5, 1) for prompt in "ab" for seed in (1, 2)
        ]

    @given(st.lists(st.text(max_size=300), min_size=1, max_size=12))
    def test_names_are_plain_sorted_and_unique(self, prompts: list[str]) -> None:
        names = cell_names([(f"prompt={text}", f"loras=[{text}]") for text in prompts])
        assert names == sorted(set(names)) and len(names) == len(prompts)
        for name in names:
            assert len(name.encode()) <= 250
            Cell.model_validate(CELL | {"name": name})

    @pytest.mark.parametrize(
        ("override", "name"),
        [
            ("loras.tcd.weight=-0.5", "000_weight=-0.5"),
            ("prompt='- a - b -'", "000_prompt=a-b"),
            ("prompt='a-b, c'", "000_prompt=a-b-c"),
            ("prompt='ein grünes Herz'", "000_prompt=ein-grünes-Herz"),
            ("prompt='赤いハート'", "000_prompt=赤いハート"),
            ("prompt='दिल की'", "000_prompt=दिल-की"),
            ("prompt='قلب أحمر'", "000_prompt=قلب-أحمر"),
            ("prompt='e\u0301'", "000_prompt=é"),
            ("prompt='🙂 \u202e../../x'", "000_prompt=..-..-x"),
        ],
    )
    def test_names_keep_signs_and_letters(self, override: str, name: str) -> None:
        assert cell_names([(override,)]) == [name]

    def test_many_names_sort(self) -> None:
        names = cell_names([("sampling.seed=1",)] * 1200)
        assert names == sorted(names) and names[1] == "0001_seed=1"

    def test_names_say_the_values(self, composer: Composer) -> None:
        plan = planner.make(composer, ["loras=[tcd],[]", "prompt='a red heart',x"]).plan
        assert plan.cells[0].name == "000_loras=tcd_prompt=a-red-heart"

    def test_prompts_that_changed_have_a_directory_of_their_own(self, composer: Composer, tmp_path: Path) -> None:
        file = tmp_path / "prompts.txt"
        names = []
        for text in ("a fox\na cat\n", "a fox\na dog\n", "a fox\na cat\n"):
            file.write_text(text)
            names.append(planner.make(composer, [f"sweep.prompts_from={file}"]).plan.name)
        assert names[0] == names[2] != names[1]

    def test_a_declared_axis_that_changed_has_too(self, configs: Write) -> None:
        names = set()
        for values_ in ("[2, 4]", "[2, 8]"):
            text = f"{GLOBAL}sweep: {{axes: {{sampling.steps: {values_}}}}}\n"
            composer = Composer(configs({"experiment/mine.yaml": text}))
            names.add(planner.make(composer, ["experiment=mine"]).plan.name)
        assert len(names) == 2

    def test_the_name_of_a_sweep_is_stable(self) -> None:
        told = ["a.eta=0,1", "b.seed=1,2"]
        assert sweep_name(["a.eta", "b.seed"], told) == sweep_name(["a.eta", "b.seed"], told[::-1])
        assert sweep_name(["a.eta"], told) == sweep_name(["a.eta"], [*told, "hydra.sweep.dir=x"])
        assert re.fullmatch(r"eta-seed_[0-9a-f]{8}", sweep_name(["a.eta", "b.seed"], told))
        assert re.fullmatch(r"[\w.=+-]{1,80}", sweep_name(["ä/ö," * 50], told), re.ASCII)


class TestFrozen:
    OVERRIDES = ("loras=[tcd],[]", "prompt='a, \"b\"','ü'", "sampling.seed=1,[2,3]", "output=jpeg")

    def test_read_back_it_is_the_same(self, sweep: Sweep) -> None:
        plan = sweep.plan(*self.OVERRIDES)
        plan.write(sweep.directory)
        back = plans.read(sweep.directory)
        assert back.model_dump(mode="json") == plan.model_dump(mode="json")
        assert [back.spec(cell) for cell in back.cells] == [plan.spec(cell) for cell in plan.cells]
        assert back.difference(plan) == []
        assert {"torch", "diffusers"} <= back.environment["packages"].keys()
        assert {len(file.sha256) for file in back.lock} == {64}

    def test_editing_configs_meanwhile_changes_nothing(self, configs: Write, sweep: Sweep) -> None:
        where = configs({"experiment/mine.yaml": GLOBAL + "prompt: before\nsampling: {steps: 2}\n"})
        sweep.composer = Composer(where)
        freeze(sweep.directory, sweep.plan("experiment=mine", "sampling.seed=1,2"))
        configs({"experiment/mine.yaml": GLOBAL + "prompt: after\nsampling: {steps: 8}\n"})
        sweep.resume()
        assert [(spec.prompt, spec.sampling.steps) for spec in sweep.engine.runs] == [("before", 2)] * 2

    def test_another_plan_is_refused_with_the_difference(self, sweep: Sweep) -> None:
        freeze(sweep.directory, sweep.plan("sampling.seed=1,2"))
        before = (sweep.directory / "plan.json").read_bytes()
        with pytest.raises(ConfigError) as caught:
            freeze(sweep.directory, sweep.plan("sampling.seed=2,3"))
        said = str(caught.value)
        assert "- 000_seed=1" in said and "+ 001_seed=3" in said and "seed=2" not in said
        assert (sweep.directory / "plan.json").read_bytes() == before

    def test_another_way_of_making_it_is_another_plan(self, sweep: Sweep) -> None:
        freeze(sweep.directory, sweep.plan("sampling.seed=1,2"))
        with pytest.raises(ConfigError):
            freeze(sweep.directory, sweep.plan("sampling.seed=1,2", "output=jpeg"))

    @pytest.mark.parametrize(
        "text", ["", "{", "[]", '{"schema_version": 2}', json.dumps({"cells": [{"name": "../../up"}]})]
    )
    def test_a_damaged_plan_is_one_line(self, text: str, tmp_path: Path) -> None:
        (tmp_path / "plan.json").write_text(text)
        with pytest.raises(RecordError) as caught:
            plans.read(tmp_path)
        assert "\n" not in str(caught.value)

    def test_an_untrusted_cell_stays_in_the_directory(self, sweep: Sweep) -> None:
        plan = sweep.plan("sampling.seed=1,2").model_dump(mode="json")
        plan["cells"][0]["name"] = "../../elsewhere"
        sweep.directory.mkdir()
        (sweep.directory / "plan.json").write_text(json.dumps(plan))
        with pytest.raises(RecordError, match="name"):
            plans.read(sweep.directory)


@pytest.mark.parametrize(
    ("told", "switches"),
    [
        (["prompt=a fox,an owl", "sampling.eta=0,0.3", "sampling.seed=1,2"], False),
        (["loras.tcd.weight=0.5,1"], True),
        (["loras=[tcd],[]"], True),
        (["runtime.vae_slicing=false,true"], True),
    ],
)
def test_a_plan_knows_whether_its_cells_share_one_pipeline(composer: Composer, told: list[str], switches: bool) -> None:
    """If they do, its engine keeps nothing to restore the base with; the engine of a shell keeps it all the same."""
    plan = planner.make(composer, told).plan
    assert plan.switches is switches

    def engine() -> Any:
        raise AssertionError("not before the first cell")

    def constant() -> Any:
        raise AssertionError("not before the first cell")

    for process, chosen in ((Process(engine), engine), (Process(engine, constant=constant), constant)):
        runner = Launcher().runner(plan, Path("sweep"), process, lambda image, done, of: None)
        assert isinstance(runner, Runner)
        assert runner.engine is (engine if switches else chosen)
