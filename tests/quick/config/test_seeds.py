"""``sampling.seed=random`` is drawn once, and is a number wherever it is recorded."""

from __future__ import annotations

import pytest

from tcdflow.config.compose import Composer
from tcdflow.config.vary import vary
from tcdflow.errors import ConfigError
from tcdflow.sweeps import planner
from tests.helpers import GLOBAL, Write


def test_a_run(composer: Composer) -> None:
    seeds = {Composer().compose(["sampling.seed=random"]).spec.sampling.seed for _ in range(3)}
    assert len(seeds) == 3 and all(isinstance(seed, int) for seed in seeds)
    fresh = Composer()
    composition = fresh.compose(["sampling.seed=[random(2),7,random]"])
    first, second, seven, last = composition.spec.sampling.seeds
    assert fresh.seeds.drawn == [first, second, last] and seven == 7
    assert composition.overrides == ("sampling.seed=[random(2),7,random]",)


def test_what_a_file_says(configs: Write) -> None:
    composer = Composer(configs({"experiment/mine.yaml": f"{GLOBAL}sampling: {{seed: random}}\n"}))
    seed = composer.compose(["experiment=mine"]).spec.sampling.seed
    assert [seed] == composer.seeds.drawn
    plan = planner.make(composer, ["experiment=mine", "sampling.steps=2,4", "scheduler=tcd,lcm"]).plan
    assert {plan.spec(cell).sampling.seed for cell in plan.cells} == {seed}


def test_a_sweep_has_one_and_an_axis_as_many_as_it_says() -> None:
    plans = [planner.make(Composer(), ["sampling.seed=random", "sampling.eta=0,1"]).plan for _ in range(2)]
    seeds = [{plan.spec(cell).sampling.seed for cell in plan.cells} for plan in plans]
    assert [len(one) for one in seeds] == [1, 1] and seeds[0] != seeds[1]
    assert plans[0].name != plans[1].name
    plan = planner.make(Composer(), ["sampling.seed=random(4)"]).plan
    assert len({plan.spec(cell).sampling.seed for cell in plan.cells}) == 4
    assert all("random" not in text for cell in plan.cells for text in plan.overrides_of(cell))


def test_an_axis_of_a_file(configs: Write) -> None:
    declared = f"{GLOBAL}sweep: {{axes: {{sampling.seed: random(3), sampling.eta: [0, 1]}}}}\n"
    composer = Composer(configs({"experiment/mine.yaml": declared}))
    plan = planner.make(composer, ["experiment=mine"]).plan
    assert len(plan.cells) == 6 and len({plan.spec(cell).sampling.seed for cell in plan.cells}) == 3


def test_a_variation(composer: Composer) -> None:
    spec = composer.compose([]).spec
    assert vary(spec, ["sampling.seed=random"]).sampling.seed != vary(spec, ["sampling.seed=random"]).sampling.seed


@pytest.mark.parametrize("text", ["sampling.seed=random(0)", "sampling.seed=random(99999)"])
def test_none_and_too_many(text: str, composer: Composer) -> None:
    with pytest.raises(ConfigError, match="draws 1 to 10000 seeds"):
        planner.make(composer, [text])


@pytest.mark.parametrize("text", ["sampling.seed=randomly", "sampling.seed=random(x)"])
def test_other_words_are_no_seed(text: str, composer: Composer) -> None:
    with pytest.raises(ConfigError, match=r"sampling\.seed"):
        composer.compose([text])
