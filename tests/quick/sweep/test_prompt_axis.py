"""Prompts as an axis: rows that bring their own settings, and wildcards."""

from __future__ import annotations

from pathlib import Path

import pytest

from tcdflow.config.compose import Composer
from tcdflow.errors import ConfigError
from tcdflow.sweeps import planner
from tcdflow.sweeps.plan import Plan
from tests.helpers import GLOBAL, Write

GUIDED = "sampling.guidance_scale=2"


def plan(composer: Composer, *told: str) -> Plan:
    return planner.make(composer, told).plan


def wrong(composer: Composer, *told: str) -> str:
    with pytest.raises(ConfigError) as caught:
        planner.make(composer, told)
    return str(caught.value)


class TestRows:
    TABLE = 'prompt,negative_prompt,seed,width\na red heart,"a, b",3,72\na panda,,,\na fox,,5,\n'

    def test_they_bring_their_own(self, composer: Composer, tmp_path: Path) -> None:
        (tmp_path / "p.csv").write_text(self.TABLE)
        made = plan(composer, f"sweep.prompts_from={tmp_path / 'p.csv'}", "sampling.eta=0,1", GUIDED)
        specs = [made.spec(cell) for cell in made.cells]
        assert {(s.prompt, s.negative_prompt, s.sampling.seed, s.width) for s in specs} == {
            ("a red heart", "a, b", 3, 72),
            ("a panda", "", 0, 64),
            ("a fox", "", 5, 64),
        }
        assert len(specs) == 6 and len(made.templates) == 3
        told = [made.overrides_of(cell) for cell in made.cells if "prompt='a panda'" in cell.overrides]
        assert [len(one) for one in told] == [4, 4]  # the file, eta, guidance and the prompt
        assert all("=_" not in cell.name and "==" not in cell.name for cell in made.cells)

    def test_a_plan_is_read_back(self, composer: Composer, tmp_path: Path) -> None:
        (tmp_path / "p.csv").write_text(self.TABLE)
        made = plan(composer, f"sweep.prompts_from={tmp_path / 'p.csv'}", GUIDED)
        again = Plan.model_validate_json(made.model_dump_json())
        assert [again.spec(cell) for cell in again.cells] == [made.spec(cell) for cell in made.cells]
        assert [again.overrides_of(cell) for cell in again.cells] == [made.overrides_of(cell) for cell in made.cells]

    def test_what_a_row_brings_may_not_be_given_too(self, composer: Composer, tmp_path: Path) -> None:
        (tmp_path / "p.csv").write_text(self.TABLE)
        file = f"sweep.prompts_from={tmp_path / 'p.csv'}"
        assert "is given as well as sampling.seed" in wrong(composer, file, "sampling.seed=1,2")
        assert "is given as well as negative_prompt" in wrong(composer, file, "negative_prompt=x")

    def test_a_wrong_row_is_named(self, composer: Composer, tmp_path: Path) -> None:
        (tmp_path / "p.jsonl").write_text('{"prompt": "a"}\n{"prompt": "b", "seed": "x"}\n')
        assert "line 2: seed must be a whole number" in wrong(composer, f"sweep.prompts_from={tmp_path / 'p.jsonl'}")


class TestWildcards:
    ON = "sweep.wildcards={}"

    def test_of_the_configs_own_prompt(self, configs: Write) -> None:
        composer = Composer(configs({"experiment/mine.yaml": f"{GLOBAL}prompt: 'a {{red|blue}} heart'\n"}))
        made = plan(composer, "experiment=mine", self.ON, "sampling.seed=1,2")
        assert [made.spec(cell).prompt for cell in made.cells] == ["a red heart"] * 2 + ["a blue heart"] * 2

    def test_of_prompts_on_the_command_line_and_of_a_file(self, composer: Composer, configs: Write) -> None:
        folder = configs({"things.txt": "heart\npanda\n", "p.txt": "a __things__\na fox\n"})
        of = f"sweep.wildcards.folder={folder}"
        made = plan(composer, "prompt='a {red|blue} __things__'", of)
        assert len({made.spec(cell).prompt for cell in made.cells}) == 4
        assert len(made.templates) == 1
        made = plan(composer, "prompt='a {x|y}','b'", of)
        assert [made.spec(cell).prompt for cell in made.cells] == ["a x", "a y", "b"]
        made = plan(composer, f"sweep.prompts_from={folder / 'p.txt'}", of)
        assert [made.spec(cell).prompt for cell in made.cells] == ["a heart", "a panda", "a fox"]

    def test_a_sample_is_frozen_by_its_seed(self, composer: Composer) -> None:
        told = ["prompt='{a|b|c|d} {e|f|g|h} heart'", "sweep.wildcards.count=3"]
        one, same, other = (plan(composer, *told, f"sweep.wildcards.seed={seed}") for seed in (1, 1, 2))
        assert len(one.cells) == 3
        assert [cell.key for cell in one.cells] == [cell.key for cell in same.cells] != [c.key for c in other.cells]

    def test_without_it_the_gaps_are_text_and_told(self, composer: Composer) -> None:
        planned = planner.make(composer, ["prompt='a {red|blue} heart'", "sampling.seed=1,2"])
        assert {planned.plan.spec(cell).prompt for cell in planned.plan.cells} == {"a {red|blue} heart"}
        assert any("sweep.wildcards" in one for one in planned.warnings)

    def test_what_is_wrong_names_the_key(self, composer: Composer) -> None:
        assert wrong(composer, "prompt='a __x__'", self.ON).startswith("sweep.wildcards: has __x__")


def test_what_is_cut_off_is_told_for_each_cell(composer: Composer) -> None:
    prompts = ",".join(f"'a {'red ' * count}heart'" for count in (1, 20, 30))
    warnings = planner.make(composer, [f"prompt={prompts}"]).warnings
    cut = [one for one in warnings if "is cut off" in one]
    assert [one.partition(":")[0] for one in cut] == [f"prompt has {n} tokens and 14 are read" for n in (22, 32)]
