"""The planner sets values on what it composed once; each cell must be what Hydra composes for it alone."""

from __future__ import annotations

from functools import cache
from math import prod
from pathlib import Path

import pytest
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from tcdflow.config.compose import Composer
from tcdflow.config.overrides import FREE_TEXT, parse, quoted
from tcdflow.errors import ConfigError, Problem
from tcdflow.files.lock import lock
from tcdflow.files.resolve import resolve
from tcdflow.files.sizes import resolve_size
from tcdflow.record.key import run_key
from tcdflow.spec.model import RunSpec
from tcdflow.sweeps import order, planner
from tests.helpers import GLOBAL, examples

CONFIGS = {
    "experiment/linked.yaml": GLOBAL
    + "prompt: a ${base.family} heart at ${sampling.eta}\n"
    + "negative_prompt: not ${prompt}\n"
    + "sampling: {height: 64, width: '${sampling.height}'}\n",
    "experiment/shared.yaml": GLOBAL
    + "loras:\n  twin: {source: '${loras.tcd.source}', weight: '${loras.tcd.weight}', family: emoji}\n",
    "experiment/behind.yaml": GLOBAL + "loras:\n  twin: ${loras.tcd}\n",
    "experiment/merged.yaml": GLOBAL + "lora_stack: {fuse: false, merge: {method: cat}}\n",
    "loras/soft.yaml": "# @package loras.soft\nsource: embedded:emoji/tcd_lora\nweight: {unet: {down: 0.5, mid: 1}}\n",
    "loras/half.yaml": "# @package loras.half\nsource: ${..tcd.source}\nweight: 0.5\n",
}

SWEPT = [
    "sampling.eta=0,0.3",
    "sampling.eta=range(0.2,0.9,0.3)",
    "++sampling.eta=0.1,null",
    "sampling.steps=range(2,4)",
    "+sampling.steps=4,60",
    "sampling.seed=choice(1,[2,3])",
    "sampling.num_images=1,2",
    "sampling.height=64,32",
    "sampling.width=32,null",
    "prompt='a, b',c: d",
    "prompt=it\\, twice,\"an 'apple'\",1",
    "prompt='schön 漢🙂',a \\(red\\) heart",
    "prompt='a ${base.family}',b",
    "prompt=???,b",
    "negative_prompt='',a\\=b",
    "scheduler=tcd,ddim",
    "scheduler=glob(tcd*)",
    "experiment=linked,null",
    "experiment=shared,behind",
    "loras=[tcd],[]",
    "loras=[tcd,soft],[soft,tcd]",
    "loras=[half,tcd],[tcd]",
    "loras.tcd.weight=0.5,2",
    "++loras.tcd.weight=1,{unet:{down:0.5,up:1}}",
    "loras.tcd.weight={unet:{mid:0.5}},{unet:0.25}",
    "loras.soft.weight={unet:{up:0.5}},1",
    "loras.twin.weight=0.5,1",
    "loras.mine.source=embedded:emoji/tcd_lora,no/such/file.safetensors",
    "lora_stack.fuse=true,false",
    "lora_stack={fuse:false},{fuse:true}",
    "lora_stack.merge.method=linear,cat",
    "lora_stack.merge=null,{method:cat}",
    "lora_stack.merge.density=0.5,null",
    "base.size=64,32",
    "sampling.stpes=1,2",
]
FIXED = [
    "sampling.eta=0.5",
    "sampling.height=32",
    "loras.tcd.weight=0.25",
    "++loras.tcd.weight={unet:{up:2}}",
    "~loras.tcd",
    "~loras.tcd.weight",
    "loras=[tcd,soft]",
    "lora_stack.merge.method=cat",
    "lora_stack.fuse=false",
    "experiment=linked",
    "experiment=behind",
    "experiment=merged",
    "prompt=a heart\\, ${sampling.steps}",
    "output=jpeg",
    "runtime.vae_slicing=true",
]
MAX_CELLS = 8


@pytest.fixture(scope="module")
def mine(tmp_path_factory: pytest.TempPathFactory) -> Composer:
    root = tmp_path_factory.mktemp("configs")
    for name, content in CONFIGS.items():
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(content, "utf-8")
    return Composer(root)


def hydras_cells(composer: Composer, overrides: list[str]) -> list[tuple[str, ...]]:
    """What BasicSweeper tells each job, with free text quoted, which a single run takes as it stands."""
    parsed = []
    for text in overrides:
        override = parse(text, sweeping=True)
        override.config_loader = composer.loader
        parsed.append(override)
    (cells,) = BasicSweeper.split_arguments(parsed, max_batch_size=None)
    return [tuple(literal(text) for text in cell) for cell in cells]


def literal(text: str) -> str:
    override = parse(text, sweeping=True)
    value = override._value
    free = override.key_or_group in FREE_TEXT and isinstance(value, str)
    return f"{override.get_key_element()}={quoted(str(value))}" if free else text


def key_of(override: str) -> str:
    return override.partition("=")[0].lstrip("+~")


def test_a_number_of_overrides() -> None:
    assert len(SWEPT) >= 30 and len(FIXED) >= 12


@given(
    swept=st.lists(st.sampled_from(SWEPT), min_size=1, max_size=3, unique_by=key_of),
    fixed=st.lists(st.sampled_from(FIXED), max_size=3, unique_by=lambda text: text.split("=")[0]),
    data=st.data(),
)
@settings(
    max_examples=examples(0.06),
    phases=(Phase.explicit, Phase.reuse, Phase.generate),  # shrinking composes for minutes
    suppress_health_check=[*settings().suppress_health_check, HealthCheck.filter_too_much],
)
def test_each_cell_is_what_hydra_composes(
    swept: list[str], fixed: list[str], data: st.DataObject, mine: Composer
) -> None:
    overrides = data.draw(st.permutations([*swept, *fixed]))
    assume(len(hydras_cells(mine, overrides)) <= MAX_CELLS)
    hold(mine, overrides)


@pytest.mark.parametrize(
    "overrides",
    [
        ["loras.tcd.weight=0.25", "loras.tcd.weight=0.5,2"],
        ["loras.tcd.weight=0.5,2", "loras.tcd.weight=0.25"],
        ["loras.tcd.weight=0.5,2", "++loras.tcd={source: embedded:emoji/tcd_lora}"],
        ["++loras.tcd={weight:3}", "loras.tcd.weight=0.5,2"],
        ["experiment=behind", "loras.twin.weight=0.5,1"],
        ["experiment=shared", "loras.tcd.weight=0.5,1"],
        ["experiment=linked", "sampling.height=64,32", "sampling.eta=0,1"],
        ["lora_stack.merge.method=linear,cat", "lora_stack.fuse=true,false"],
        ["lora_stack.merge.density=0.5,null", "lora_stack.merge.method=ties"],
        ["loras=[tcd,soft],[soft,tcd]", "loras.soft.weight=0.5,{unet:1}", "loras.tcd.weight=1,2"],
        ["~loras.tcd", "loras.tcd.weight=1,2"],
        ["loras=[tcd],[]", "~loras.tcd"],
        ["prompt=a,b", "prompt=c,d"],
        ["prompt=???,b"],
        ["scheduler=glob(*,exclude=[e*,d*])"],
        ["sampling.width=32,null", "base.size=64,32"],
    ],
    ids=" ".join,
)
def test_what_once_went_wrong_or_nearly_did(overrides: list[str], mine: Composer) -> None:
    hold(mine, overrides)


def hold(composer: Composer, overrides: list[str]) -> None:
    """Plan, and compose what Hydra would run; both must come to the same runs, or the same mistakes."""
    cells = hydras_cells(composer, overrides)
    made = [composed(composer, cell) for cell in cells]
    wrong = {(problem.key, problem.what) for found in made if isinstance(found, tuple) for problem in found}
    if wrong:
        with pytest.raises(ConfigError) as caught:
            planner.make(composer, overrides)
        assert {(problem.key, problem.what) for problem in caught.value.problems} == wrong
        return
    plan = planner.make(composer, overrides).plan
    typed = distinct([RunSpec.model_validate_json(text) for text in made if isinstance(text, str)])
    expected = [typed[number] for number in order.by_cost([order.costs(spec) for spec in typed])]
    assert [sized(plan.spec(cell)) for cell in plan.cells] == [spec.model_dump_json() for spec in expected]
    assert len(plan.cells) + plan.folded == prod(len(axis.values) for axis in plan.axes)
    for cell, spec in zip(plan.cells, expected, strict=True):
        assert composed(composer, plan.overrides_of(cell)) == spec.model_dump_json()


def distinct(specs: list[RunSpec]) -> list[RunSpec]:
    """The first of those that make one image in one way."""
    found: dict[str, RunSpec] = {}
    for spec in specs:
        how = run_key(spec, lock(resolve(spec))) + spec.runtime.model_dump_json() + spec.output.model_dump_json()
        found.setdefault(how, spec)
    return list(found.values())


@cache
def composed(composer: Composer, overrides: tuple[str, ...]) -> str | tuple[Problem, ...]:
    """A run as JSON, or what is wrong with it."""
    try:
        return sized(composer.compose(overrides).spec)
    except ConfigError as error:
        return error.problems


def sized(spec: RunSpec) -> str:
    return resolve_size(spec, resolve(spec)).model_dump_json()


def test_the_comparison_sees(mine: Composer, monkeypatch: pytest.MonkeyPatch) -> None:
    """It fails if what an experiment links to a swept key stays as it is."""
    make = planner.make
    monkeypatch.setattr(planner, "make", lambda composer, overrides: make(composer, overrides[1:]))
    with pytest.raises(AssertionError):
        hold(mine, ["experiment=linked", "sampling.height=64,32"])


def test_paths_are_those_of_where_it_was_planned(mine: Composer, tmp_path: Path) -> None:
    plan = planner.make(mine, ["sampling.seed=1,2"]).plan
    assert all(Path(files.root).is_absolute() for files in plan.files)
