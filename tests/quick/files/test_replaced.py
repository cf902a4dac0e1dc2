"""A file that is replaced between its hash and the run that it was hashed for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tcdflow.config.compose import Composer
from tcdflow.errors import RunError
from tcdflow.record.rundir import RunDirectory
from tcdflow.request.execute import execute
from tcdflow.request.prepare import Preparer
from tcdflow.request.request import Request


class Loads:
    """An engine that has loaded its files by its first step."""

    on_made: Any = None

    def run_together(self, specs: Any, files: Any, on_step: Any) -> list[Any]:
        on_step(0, 1, 1)
        raise AssertionError("it went on")


def test_the_run_ends(composer: Composer, tmp_path: Path) -> None:
    photo = tmp_path / "in.png"
    Image.new("RGB", (64, 64), "lime").save(photo)
    request = Request.composed(composer.compose(["task=image_to_image", f"task.image={photo}"]))
    prepared = Preparer()(request, hashed=True)
    Image.new("RGB", (64, 64), "red").save(photo)
    run = RunDirectory.begin(tmp_path / "run", prepared.spec, overrides=[], warnings=[])
    engine: Any = Loads
    with pytest.raises(RunError, match=r"in\.png was changed while the run read it"):
        execute(prepared, run, engine)
