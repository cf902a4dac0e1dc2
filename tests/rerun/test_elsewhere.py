"""Runs that read files by relative paths are made again from any working directory, with the very same files."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from safetensors.torch import load_file, save_file

import tcdflow
from tcdflow import embedded
from tcdflow.record import document
from tests.rerun.conftest import Tcdflow, edit, pixels

LORA = Path(embedded.__file__).parent / "emoji" / "tcd_lora" / "pytorch_lora_weights.safetensors"


@pytest.fixture
def elsewhere(here: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (here / "elsewhere").mkdir()
    monkeypatch.chdir(here / "elsewhere")
    return here / "elsewhere"


@pytest.fixture
def marked(here: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run of an image that holds more than pixels, so that what the run keeps of it is another file."""
    text = PngInfo()
    text.add_text("of", "nobody")
    (here / "given").mkdir()
    Image.open(here / "shape.png").save(here / "given/marked.png", pnginfo=text)
    with monkeypatch.context() as patch:
        patch.chdir(here)
        asked = ("task=image_to_image", "task.image=given/marked.png", "sampling.steps=2")
        tcdflow.run(*asked, "hydra.run.dir=outputs/marked")
    return Path("../outputs/marked")


def test_an_input_image(marked: Path, tcd: Tcdflow, here: Path) -> None:
    assert tcd("rerun", str(marked), "--verify").out == "000.png: identical\n"
    assert f'"{here.resolve()}/given/marked.png"' in tcd("show", str(marked), "--python").out


def test_another_image_of_that_path(marked: Path, tcd: Tcdflow, elsewhere: Path) -> None:
    Path("given").mkdir()
    Image.new("RGB", (64, 64), "black").save("given/marked.png")
    assert tcd("rerun", str(marked), "hydra.run.dir=again").status == 0
    assert pixels(elsewhere / "again") == pixels(marked)


def test_an_input_image_that_was_changed_is_told(marked: Path, tcd: Tcdflow, here: Path) -> None:
    Image.new("RGB", (64, 64), "black").save(here / "given/marked.png")
    said = tcd("rerun", str(marked), "--verify")
    assert said.status == 2 and "task.image: marked.png has changed: its sha256 was" in said.err


def test_an_image_that_is_chosen_anew_is_a_variation(marked: Path, tcd: Tcdflow, elsewhere: Path) -> None:
    Path("given").mkdir()
    Image.new("RGB", (64, 64), "black").save("given/marked.png")
    assert tcd("rerun", str(marked), "task.image=given/marked.png", "hydra.run.dir=again").status == 0
    assert pixels(elsewhere / "again") != pixels(marked)


@pytest.mark.parametrize("path", ["x" * 300, "a\\u0000b", "x/" * 3000])
def test_a_path_that_is_none(path: str, marked: Path, tcd: Tcdflow) -> None:
    edit(marked / "run.json", ("given/marked.png", path))
    said = tcd("rerun", str(marked), "--verify")
    assert said.status in (1, 2) and said.err.count("\n") == 1 and "Traceback" not in said.err


def test_weights(tcd: Tcdflow, elsewhere: Path, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "loras").mkdir()
    shutil.copy(LORA, here / "loras" / "mine.safetensors")
    with monkeypatch.context() as patch:
        patch.chdir(here)
        tcdflow.run("loras.tcd.source=loras/mine.safetensors", "sampling.steps=1", "hydra.run.dir=outputs/mine")
    assert tcd("rerun", "../outputs/mine", "--verify").out == "000.png: identical\n"
    (elsewhere / "loras").mkdir()
    changed = {name: 2 * tensor for name, tensor in load_file(LORA).items()}
    save_file(changed, elsewhere / "loras" / "mine.safetensors")
    assert tcd("rerun", "../outputs/mine", "--verify").out == "000.png: identical\n", "another one of that path"
    save_file(changed, here / "loras" / "mine.safetensors")
    said = tcd("rerun", "../outputs/mine", "--verify")
    assert said.status == 2 and "loras.tcd: mine.safetensors has changed" in said.err


def test_a_record_that_was_changed_is_told_and_recorded(tcd: Tcdflow, here: Path) -> None:
    edit(here / "outputs/text/run.json", ('"eta": 0.3', '"eta": 0.7'))
    said = tcd("rerun", "outputs/text", "hydra.run.dir=again")
    assert said.status == 0 and "it was changed" in said.err
    assert any("it was changed" in text for text in document.read(here / "again").warnings)
