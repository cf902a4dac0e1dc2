"""What ``tcdflow show --python`` writes of a run, executed: the images that the script leaves."""

from __future__ import annotations

import os
import runpy
import tempfile
from pathlib import Path

from PIL import Image

from tcdflow.engine.result import Result
from tcdflow.rerun.source import find
from tcdflow.script.recorded import script_of
from tests.fidelity.same import equal


def executed(text: str) -> list[Image.Image]:
    """Run a script in this process and an empty working directory."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as name:
        script = Path(name) / "made.py"
        script.write_text(text, "utf-8")
        (Path(name) / "images").mkdir()
        os.chdir(Path(name) / "images")
        try:
            runpy.run_path(str(script), run_name="__main__")
            return [Image.open(path).convert("RGB") for path in sorted(Path().iterdir())]
        finally:
            os.chdir(before)


def assert_script_makes(made: Result) -> None:
    """Hold the pixels of a run's script against the run's."""
    text = script_of(find(made.directory))
    ours = [frame for frames in made.animations or ([one] for one in made.images) for frame in frames]
    theirs = executed(text)
    assert len(ours) == len(theirs)
    assert all(map(equal, ours, theirs)), text
