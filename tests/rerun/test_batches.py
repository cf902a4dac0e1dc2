"""An image that shared its call is rerun in the same batch, from whatever was left of it."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tcdflow.cli.command import dispatch
from tcdflow.engine.engine import Engine
from tcdflow.record import document
from tcdflow.spec.model import RunSpec
from tests.rerun.conftest import Tcdflow

SWEEP = ("-m", "prompt=a fox,a panda", "sampling.seed=1,2", "sampling.eta=0,1", "runtime.batch_size=3")


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[list[tuple[str, Any]]]:
    """Prompt and seed of each run that the engine is given, by call."""
    seen: list[list[tuple[str, Any]]] = []
    run = Engine.run_together

    def spy(self: Engine, specs: Sequence[RunSpec], *args: Any) -> Any:
        seen.append([(spec.prompt, spec.sampling.seed) for spec in specs])
        return run(self, specs, *args)

    monkeypatch.setattr(Engine, "run_together", spy)
    return seen


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a sweep in batches."""
    folder = tmp_path_factory.mktemp("batched")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert dispatch([*SWEEP, "sampling.steps=1", "hydra.sweep.dir=outputs/batched"]) == 0
    return folder


@pytest.fixture
def cells(swept: Path, here: Path) -> list[Path]:
    """The cells of a copy of it in the working directory."""
    shutil.copytree(swept / "outputs/batched", here / "outputs/batched")
    return sorted(Path("outputs/batched/cells").iterdir())


MEMBERS = [("a fox", 1), ("a fox", 2), ("a panda", 1)]


def test_a_cell(tcd: Tcdflow, cells: list[Path], calls: list[Any]) -> None:
    batch = document.read(cells[1]).execution["batch"]
    assert (batch["size"], batch["position"], len(batch["pictures"])) == (3, 1, 3)
    assert tcd("rerun", str(cells[1]), "--verify").out == "000.png: identical\n"
    assert calls == [MEMBERS]


def test_a_bare_image(tcd: Tcdflow, cells: list[Path], calls: list[Any], tmp_path: Path) -> None:
    image = shutil.copy(cells[2] / "000.png", tmp_path / "alone.png")
    assert tcd("rerun", str(image), "--verify").out == "alone.png: identical\n"
    assert calls == [MEMBERS]


def test_a_image_without_metadata(tcd: Tcdflow, calls: list[Any]) -> None:
    said = ("sampling.seed=range(3)", "runtime.batch_size=2", "output.metadata=none", "sampling.steps=1")
    assert tcd("-m", *said, "hydra.sweep.dir=outputs/bare").status == 0
    calls.clear()
    cell = sorted(Path("outputs/bare/cells").iterdir())[1]
    assert tcd("rerun", str(cell / "000.png"), "--verify").status == 0
    assert [[seed for _, seed in call] for call in calls] == [[0, 1]]


def test_one_of_several_images_of_a_run(tcd: Tcdflow, calls: list[Any]) -> None:
    said = ("sampling.num_images=5", "runtime.batch_size=2", "sampling.steps=1", "hydra.run.dir=outputs/five")
    assert tcd(*said).status == 0
    record = document.read(Path("outputs/five"))
    assert record.execution["unet_calls"] == 3 and len(record.outputs) == 5
    calls.clear()
    assert tcd("rerun", "outputs/five", "--verify").out.count("identical") == 5
    assert tcd("rerun", "outputs/five/003.png", "--verify").status == 0
    assert tcd("rerun", "outputs/five/004.png", "--verify").status == 0
    assert [[seed for _, seed in call] for call in calls] == [[0], [2, 3], [4]]


@pytest.mark.parametrize("change", ["runtime.batch_size=1", "sampling.seed=9", "prompt=a bear"])
def test_another_image_is_made_alone(tcd: Tcdflow, cells: list[Path], calls: list[Any], change: str) -> None:
    assert tcd("rerun", str(cells[1]), change, "hydra.run.dir=outputs/other").status == 0
    assert [len(call) for call in calls] == [1]
    assert len(document.read(Path("outputs/other")).execution["batch"].get("pictures", [1])) == 1


def test_a_variation_keeps_its_batch(tcd: Tcdflow, cells: list[Path], calls: list[Any]) -> None:
    assert tcd("rerun", str(cells[1]), "sampling.eta=0.5", "hydra.run.dir=outputs/other").status == 0
    assert calls == [MEMBERS]


def test_the_size_of_a_batch_is_named_as_a_reason(tcd: Tcdflow, cells: list[Path], monkeypatch: Any) -> None:
    from tcdflow.engine.sampler import Sampler

    make = Sampler.make

    def another(self: Sampler, wanted: Any) -> Any:
        taken = make(self, wanted)
        taken[0].sample.frames[0].putpixel((3, 4), (1, 2, 3))
        return taken

    monkeypatch.setattr(Sampler, "make", another)
    said = tcd("rerun", str(cells[1]), "--verify", "runtime.batch_size=1")
    assert said.status == 1
    assert "spec: runtime.batch_size: 3 then, 1 now" in said.out and "\n  batch: {'size': 3" in said.out


def test_a_sweep_is_verified_batch_by_batch(tcd: Tcdflow, cells: list[Path], calls: list[Any]) -> None:
    assert tcd("rerun", "--verify", "outputs/batched").out == "8 cells: 8 identical, 0 different\n"
    assert sorted(map(len, calls)) == [1, 1, 3, 3]
    calls.clear()
    assert tcd("rerun", "--verify", "outputs/batched", "--sample", "3").status == 0
    assert all(len(call) in (1, 3) for call in calls) and len(calls) <= 3


def test_an_untrusted_batch(tcd: Tcdflow, cells: list[Path]) -> None:
    path = cells[1] / "run.json"
    path.write_text(path.read_text().replace('"position": 1', '"position": 7'))
    said = tcd("rerun", str(path), "--verify")
    assert said.status == 2 and said.err.count("\n") == 1 and "execution.batch" in said.err
