"""Runs that were made, to be made again: the embedded model's three tasks, in a directory of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from shutil import copytree

import pytest

import tcdflow
from tcdflow.cli.command import dispatch
from tcdflow.cli.engines import shared
from tcdflow.engine.warm import WarmEngine
from tests.fidelity.conftest import thin
from tests.helpers import Answer, Writer
from tests.hub.fixtures import hub

__all__ = ["hub", "thin"]

TASKS = {
    "text": ["prompt=a fox", "sampling.seed=[3,5]"],
    "image": ["prompt=a bear", "task=image_to_image", "task.image=shape.png", "task.strength=0.7"],
    "mask": ["prompt=a wolf", "task=inpainting", "task.image=shape.png", "task.mask=mask.png"],
}


Tcdflow = Callable[..., Answer]


@pytest.fixture(scope="package", autouse=True)
def one_thread() -> Iterator[None]:
    """A second thread gains nothing with a model this small, and loses much where other processes want the cores."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="package")
def originals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the images that were given, and a run of each task in ``outputs/``."""
    from PIL import Image, ImageDraw

    folder = tmp_path_factory.mktemp("originals")
    shape = Image.new("RGB", (64, 64), "steelblue")
    ImageDraw.Draw(shape).ellipse((12, 16, 52, 56), fill="orange")
    shape.save(folder / "shape.png")
    mask = Image.new("L", (64, 64), 0)
    ImageDraw.Draw(mask).rectangle((16, 16, 40, 48), fill=255)
    mask.save(folder / "mask.png")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for name, said in TASKS.items():
            tcdflow.run(*said, "sampling.steps=3", f"hydra.run.dir=outputs/{name}")
    return folder


@pytest.fixture
def here(originals: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a copy of all of that."""
    copytree(originals, tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


@pytest.fixture(scope="package")
def engine() -> Iterator[WarmEngine]:
    """Have the commands of this process use one engine, as the lines of a shell do."""
    with shared() as engine:
        yield engine


@pytest.fixture
def tcd(here: Path, engine: WarmEngine, capfd: pytest.CaptureFixture[str]) -> Tcdflow:
    """Run a command in that directory."""

    def run(*argv: str) -> Answer:
        capfd.readouterr()
        status = dispatch(argv)
        return Answer(status, *capfd.readouterr())

    return run


def edit(path: Path, *changes: tuple[str, str]) -> None:
    """Replace text in a file, which must be there."""
    text = path.read_text("utf-8")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    Writer(path.parent)({path.name: text})


def pixels(directory: Path) -> Sequence[str]:
    """The recorded hashes of a run's pixels."""
    from tcdflow.record import document

    return [output.pixel_sha256 for output in document.read(directory).outputs]
