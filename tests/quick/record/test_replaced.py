"""What is said of the directory that the user chose: whose images are there, or that it is written elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from tcdflow.config.compose import Composer
from tcdflow.config.run_output import RunOutput
from tcdflow.multirun.prepare import prepare
from tcdflow.record.document import Output, Record
from tcdflow.record.key import run_key
from tcdflow.request.prepare import Preparer
from tcdflow.request.request import Prepared, Request
from tcdflow.request.run import directory_warnings


def asked(where: Path, *overrides: str) -> tuple[RunOutput, Prepared]:
    composition = Composer().compose([*overrides, f"hydra.run.dir={where}"])
    return RunOutput.of(composition.config), Preparer()(Request.composed(composition), hashed=True)


def write(where: Path, made: Prepared, outputs: int) -> None:
    """Leave the record of a run."""
    assert made.lock is not None
    size = {"width": 64, "height": 64}
    images = [Output(file=f"00{n}.png", sha256="0", pixel_sha256="0", seed=n, **size) for n in range(outputs)]
    spec, lock = made.spec.model_dump(mode="json"), list(made.lock)
    where.mkdir(exist_ok=True)
    key = run_key(made.spec, lock)
    Record(key=key, status="done", started="", spec=spec, lock=lock, outputs=images, environment={}).write(where)


def test_another_run_is_told_with_what_it_takes_the_place_of(tmp_path: Path) -> None:
    where = tmp_path / "a"
    output, prepared = asked(where, "prompt=a fox")
    assert list(directory_warnings(output, prepared)) == []
    write(where, prepared, 2)
    what = "holds 000.png and 1 more of another run ('a fox'), which this one removes as it begins"
    told = f"{what}; another directory keeps both"
    assert list(directory_warnings(*asked(where, "prompt=a red heart"))) == [f"hydra.run.dir={where} {told}"]


def test_the_same_run_and_one_that_has_left_nothing_are_not(tmp_path: Path) -> None:
    where = tmp_path / "a"
    write(where, asked(where, "prompt=a fox")[1], 1)
    assert list(directory_warnings(*asked(where, "prompt=a fox", "output=jpeg"))) == []
    write(where, asked(where, "prompt=a fox")[1], 0)
    assert list(directory_warnings(*asked(where, "prompt=a red heart"))) == []
    (where / "run.json").write_text("{")
    assert list(directory_warnings(*asked(where, "prompt=a red heart"))) == []


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (("hydra.sweep.dir=mine",), ["hydra.sweep.dir has no effect without --multirun; hydra.run.dir chooses"]),
        (
            ("hydra.sweep.dir=out/${no.such}",),
            ["hydra.sweep.dir has no effect without --multirun; hydra.run.dir chooses"],
        ),
        (("hydra.sweep.dir=mine", "hydra.run.dir=yours"), []),
        ((), []),
    ],
    ids=["of a sweep", "unresolved", "of both", "of neither"],
)
def test_a_directory_that_is_not_where_a_run_writes(overrides: tuple[str, ...], told: list[str]) -> None:
    warned = RunOutput.of(Composer().compose(overrides).config).warnings
    assert [text.removesuffix(" the directory") for text in warned] == told


@pytest.mark.parametrize("by", [(), ("hydra/launcher=joblib",)], ids=["planned", "by a plug-in"])
def test_a_directory_that_is_not_where_a_sweep_writes(by: tuple[str, ...], tmp_path: Path) -> None:
    words = (*by, "sampling.seed=1,2", "hydra.run.dir=mine")
    told = "hydra.run.dir has no effect on a sweep; hydra.sweep.dir chooses the directory"
    assert told in prepare(Composer(), words).warnings
    assert told not in prepare(Composer(), (*words, f"hydra.sweep.dir={tmp_path / 'yours'}")).warnings
