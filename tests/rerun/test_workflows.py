"""The guide's ten workflows, made again and again on stand-ins: each time the same bits, as ``--verify`` says."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import Image

from tcdflow.record import document
from tcdflow.record.pixels import pixel_sha256
from tests.docs.prefilled import fill_hub, fill_images
from tests.helpers import environment
from tests.standins import StandIns
from tests.zygote.client import Zygote

WORKFLOWS = (
    "text_to_image",
    "inpainting",
    "community_model",
    "styled_lora",
    "controlnet_depth",
    "controlnet_canny",
    "ip_adapter",
    "animation",
    "sd15",
    "sd21_base",
)
SMALL = {name: ["base.size=64", "sampling.steps=2"] for name in WORKFLOWS} | {
    "animation": ["base.size=32", "task.num_frames=2", "sampling.steps=2"],
    "controlnet_canny": ["sampling.steps=2"],  # as large as its image
}


class Workflows:
    """A directory with a run of each workflow in ``cells/``, and nothing that a rerun could reach but a hub cache."""

    def __init__(self, folder: Path, standins: StandIns, zygote: Zygote) -> None:
        self.folder = folder
        self._zygote = zygote
        fill_hub(folder / "hf", standins)
        fill_images(folder / "cache")

    def tell(self, *commands: Sequence[str]) -> list[tuple[int, str]]:
        """Run commands, one after the other in a process of their own, each on an engine of its own."""
        env = {"TCDFLOW_CACHE": str(self.folder / "cache")}
        return self._zygote.answers(commands, cwd=self.folder, warm=False, hub=self.folder / "hf/hub", env=env)

    def execute(self, *programs: str) -> list[tuple[int, str]]:
        """Execute scripts of plain diffusers, one after the other in a process that begins with nothing."""
        env = {"HF_HOME": str(self.folder / "hf"), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
        done = subprocess.run(
            [sys.executable, "-m", "tests.docs.commands"],
            input=json.dumps(programs),
            cwd=self.folder,
            env=environment(env | {"TCDFLOW_CACHE": str(self.folder / "cache")}),
            text=True,
            stdout=subprocess.PIPE,
            check=True,
            timeout=900,
        )
        return [(status, shown) for status, shown in json.loads(done.stdout)]


@pytest.fixture(scope="module")
def workflows(standins: StandIns, zygote: Zygote, tmp_path_factory: pytest.TempPathFactory) -> Workflows:
    made = Workflows(tmp_path_factory.mktemp("workflows"), standins, zygote)
    runs = [[f"experiment={name}", *SMALL[name], f"hydra.run.dir=cells/{name}"] for name in WORKFLOWS]
    for (status, shown), run in zip(made.tell(*runs), runs, strict=True):
        assert status == 0, f"{run}: {shown}"
    return made


def pictures(folder: Path, names: Sequence[str]) -> list[Path]:
    """The one image or animation of each of these workflows."""
    files = {name: "animation.gif" if name == "animation" else "000.png" for name in names}
    return [folder / "cells" / name / file for name, file in files.items()]


def last_line(answer: tuple[int, str]) -> tuple[int, str]:
    """The status, and what comes after the libraries' own warnings."""
    return answer[0], answer[1].splitlines()[-1]


def test_from_their_directories_on_a_warm_engine(workflows: Workflows) -> None:
    (answer,) = workflows.tell(["rerun", "--verify", "."])
    assert last_line(answer) == (0, "10 cells: 10 identical, 0 different"), answer


@pytest.mark.parametrize(
    "names",
    [
        pytest.param(("inpainting", "controlnet_depth", "ip_adapter", "animation"), id="some"),
        pytest.param(WORKFLOWS, id="all", marks=pytest.mark.slow),
    ],
)
def test_alone_on_a_cold_engine(names: Sequence[str], workflows: Workflows, tmp_path: Path) -> None:
    """The bare image is enough, in another process, where no record lies beside it."""
    for path in pictures(workflows.folder, names):
        shutil.copy(path, tmp_path / f"{path.parent.name}{path.suffix}")
        if path.suffix == ".gif":
            shutil.copy(path.with_suffix(".json"), tmp_path / f"{path.parent.name}.json")
    alone = [path for path in sorted(tmp_path.iterdir()) if path.suffix != ".json"]
    answers = workflows.tell(*(["rerun", "--verify", str(path)] for path in alone))
    for path, answer in zip(alone, answers, strict=True):
        assert last_line(answer) == (0, f"{path.name}: identical"), answer


@pytest.mark.slow
@pytest.mark.parametrize("name", WORKFLOWS)
def test_each_in_many_processes(name: str, workflows: Workflows) -> None:
    """Whoever was made again is made again: the fifth generation has the first one's bits."""
    path = f"cells/{name}"
    for generation in range(5):
        made = f"again/{name}/{generation}"
        verified, again = (
            workflows.tell(["rerun", "--verify", path])[0],
            workflows.tell(["rerun", path, f"hydra.run.dir={made}"])[0],
        )
        assert verified[0] == again[0] == 0, (verified, again)
        path = made


@pytest.mark.slow
def test_their_scripts_make_their_pixels(workflows: Workflows) -> None:
    """Each is written by hub ids and commits, executed where nothing lies, and compared image by image."""
    scripts = workflows.tell(*(["show", f"cells/{name}", "--python"] for name in WORKFLOWS))
    programs = []
    for name, (status, text) in zip(WORKFLOWS, scripts, strict=True):
        assert status == 0, text
        folder = workflows.folder / "scripts" / name
        folder.mkdir(parents=True)
        programs.append(f"import os\nos.chdir({str(folder)!r})\n{text[text.index('# Makes the pixels') :]}")
    for name, (status, shown) in zip(WORKFLOWS, workflows.execute(*programs), strict=True):
        assert status == 0, shown
        assert "is not pixel for pixel" not in shown
        made = sorted((workflows.folder / "scripts" / name).iterdir())
        record = document.read(workflows.folder / "cells" / name)
        if name == "animation":
            assert len(made) == 2
        else:
            assert [pixel_sha256(Image.open(path)) for path in made] == [one.pixel_sha256 for one in record.outputs]
