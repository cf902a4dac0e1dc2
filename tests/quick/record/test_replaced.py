"""A run that would take the place of another's images in the directory that the user chose says so."""

from __future__ import annotations

from pathlib import Path

from tcdflow.config.compose import Composer
from tcdflow.config.run_output import RunOutput
from tcdflow.record.document import Output, Record
from tcdflow.record.key import run_key
from tcdflow.request.prepare import Preparer
from tcdflow.request.request import Prepared, Request
from tcdflow.request.run import replaced


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
    assert list(replaced(output, prepared)) == []
    write(where, prepared, 2)
    told = "holds 000.png and 1 more of another run ('a fox'), replaced by this one; another directory keeps both"
    assert list(replaced(*asked(where, "prompt=a red heart"))) == [f"hydra.run.dir={where} {told}"]


def test_the_same_run_and_one_that_has_left_nothing_are_not(tmp_path: Path) -> None:
    where = tmp_path / "a"
    write(where, asked(where, "prompt=a fox")[1], 1)
    assert list(replaced(*asked(where, "prompt=a fox", "output=jpeg"))) == []
    write(where, asked(where, "prompt=a fox")[1], 0)
    assert list(replaced(*asked(where, "prompt=a red heart"))) == []
    (where / "run.json").write_text("{")
    assert list(replaced(*asked(where, "prompt=a red heart"))) == []
