"""What a run reads while it works is what its lock has, though folders be swapped meanwhile and swapped back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import pytest
import torch
from PIL import Image

from tcdflow.engine import images, prompts
from tcdflow.engine.images import ImageCache, RunImages
from tcdflow.errors import RunError, SourceError
from tcdflow.files.artifact import Artifact, Artifacts
from tcdflow.files.unchanged import Unchanged
from tcdflow.pipeline import embeddings
from tcdflow.spec.inputs import ImageUse, Size
from tcdflow.spec.preprocessor import Preprocessor

CPU = torch.device("cpu")
SIZE = (16, 16)
USE = ImageUse("task.image", "resize", "task.fit")
FILES = {"task.image": "in.png", "model": "weights.txt", "embeddings.toy": "toy.txt"}


class Reader(Preprocessor):
    """Draws the colour that its model is, and lets somebody swap folders before it looks."""

    name: Literal["reader"] = "reader"

    def __call__(self, image: Image.Image, size: Size, models: Mapping[str, Path], device: Any) -> Image.Image:
        with swapped(at):
            return Image.new("RGB", size, models["source"].read_text())


at = Path()


@contextmanager
def swapped(folder: Path) -> Iterator[None]:
    """Have another folder in the place of one, and put it back: no file is told from before, by any of its times."""
    theirs, aside = folder.with_name("theirs"), folder.with_name("aside")
    folder.rename(aside)
    theirs.rename(folder)
    try:
        yield
    finally:
        folder.rename(theirs)
        aside.rename(folder)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, colour in (("theirs", "red"), ("ours", "lime")):
        (tmp_path / name).mkdir()
        Image.new("RGB", SIZE, colour).save(tmp_path / name / "in.png")
        for file in ("weights.txt", "toy.txt"):
            (tmp_path / name / file).write_text(colour)
    monkeypatch.setattr(f"{__name__}.at", tmp_path / "ours")
    return tmp_path / "ours"


def artifacts(folder: Path) -> Artifacts:
    found = (Artifact(role, name, None, folder, (name,), single=True) for role, name in FILES.items())
    return Unchanged.since_now(Artifacts.of(found)).artifacts


def reading(module: Any, name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a function called while another folder is there."""
    wrapped: Callable[..., Any] = getattr(module, name)

    def read(*args: Any) -> Any:
        with swapped(folder):
            return wrapped(*args)

    monkeypatch.setattr(module, name, read)


def test_an_input_image(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = artifacts(folder)
    reading(images, "decode", folder, monkeypatch)
    image = RunImages(ImageCache(CPU), files, SIZE).fitted(USE)
    assert image.getpixel((0, 0)) == (0, 255, 0)


def test_the_model_of_a_preprocessor(folder: Path) -> None:
    files = artifacts(folder)
    image = RunImages(ImageCache(CPU), files, SIZE).control(USE, Reader(name="reader"), {"source": "model"})
    assert image.getpixel((0, 0)) == (0, 255, 0)


def test_an_embedding(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = artifacts(folder)
    monkeypatch.setattr(
        embeddings, "load", lambda pipe, spec, artifacts: artifacts.by_role["embeddings.toy"].path.read_text()
    )
    reading(embeddings, "load", folder, monkeypatch)
    family = SimpleNamespace(encode=lambda pipe, spec, device, found: {"read": found})
    spec: Any = SimpleNamespace(
        embeddings={"toy": None},
        embedding_tokens={"toy": "<toy>"},
        family=family,
        sampling=SimpleNamespace(clip_skip=None),
        **dict.fromkeys(("prompt", "negative_prompt", "prompt_2", "negative_prompt_2", "prompt_encoding", "guided")),
    )
    assert prompts.PromptCache(CPU).embeds(None, spec, files) == {"read": "lime"}


def test_what_is_swapped_when_it_is_opened_is_refused(folder: Path) -> None:
    files = artifacts(folder)
    own = RunImages(ImageCache(CPU), files, SIZE)
    with swapped(folder), pytest.raises(RunError, match=r"task\.image: in\.png was changed while the run read it"):
        own.fitted(USE)
    assert own.fitted(USE).getpixel((0, 0)) == (0, 255, 0)


def test_a_message_names_the_file_and_not_what_a_library_was_given(folder: Path) -> None:
    whole = (folder / "in.png").read_bytes()
    (folder / "in.png").write_bytes(whole[:-30])
    with pytest.raises(SourceError) as caught:
        RunImages(ImageCache(CPU), artifacts(folder), SIZE).fitted(USE)
    assert str(caught.value).startswith(f"'{folder / 'in.png'}': cannot be read as an image")
