"""Files as an axis."""

from __future__ import annotations

from pathlib import Path

import pytest
from hydra.core.override_parser.types import Glob
from PIL import Image

from tcdflow.config.compose import Composer
from tcdflow.config.file_axis import files
from tcdflow.errors import ConfigError
from tcdflow.spec.formats import IMAGE_FORMATS
from tcdflow.sweeps import planner
from tests.helpers import GLOBAL, Write

NAMES = ("photos/1.png", "photos/2.jpg", "photos/10.png", "photos/it's [a] día.png")
TASK = ("task=image_to_image", "prompt=a red heart")


class New(type(IMAGE_FORMATS["png"])):  # type: ignore[misc]
    """A format that came later."""

    suffix = ".new"


@pytest.fixture
def at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with photos in it, and what lies beside photos."""
    for name in (*NAMES, "photos/.hidden.png", "photos/more/3.png", "masks/1.png", "masks/2.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (64, 64), (len(name), 0, 0)).save(tmp_path / name)
    (tmp_path / "photos/notes.txt").write_text("none")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def images(composer: Composer, *overrides: str) -> list[str]:
    plan = planner.make(composer, [*TASK, *overrides]).plan
    found = [str(cell.values["task.image"]) for cell in plan.cells]
    assert {file.source for file in plan.lock if file.role == "task.image"} == set(found), "each is locked"
    return found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("glob(photos)", [NAMES[0], NAMES[1], NAMES[2], NAMES[3]]),
        ("glob(photos/*.png)", [NAMES[0], NAMES[2], NAMES[3]]),
        ("glob(photos/[0-9]*)", None),
        ("glob('photos/[0-9].*')", [NAMES[0], NAMES[1]]),
        ("glob(photos/**/*.png,exclude=*a*.png)", [NAMES[0], NAMES[2], "photos/more/3.png"]),
        ("glob([photos/2.jpg,photos/1.png])", [NAMES[0], NAMES[1]]),
    ],
)
def test_files_come_as_people_count(at: Path, composer: Composer, text: str, found: list[str] | None) -> None:
    if found is None:
        with pytest.raises(ConfigError, match="cannot be read"):
            images(composer, f"task.image={text}")
    else:
        assert images(composer, f"task.image={text}") == found


def test_home(at: Path, composer: Composer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(at))
    assert images(composer, "task.image=glob('~/masks')") == ["~/masks/1.png", "~/masks/2.png"]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("task.image=glob(photos/*.webp)", "task.image = 'glob(photos/*.webp)': there is no such file"),
        ("task.image=glob(nowhere)", "there is no such file"),
        ("task.image=glob(photos/*)", "is not an image in a known format"),
        (
            "prompt=glob(photos/*)",
            "glob() is for groups and for keys that name files (config, image, image_encoder, images,",
        ),
    ],
)
def test_what_is_wrong(at: Path, composer: Composer, text: str, what: str) -> None:
    with pytest.raises(ConfigError) as caught:
        planner.make(composer, [*TASK, f"task.image={NAMES[0]}", text] if "prompt" in text else [*TASK, text])
    assert what in str(caught.value)


def test_a_key_names_weights_or_images(at: Path) -> None:
    for name in ("vaes/b.safetensors", "vaes/b.png"):
        (at / name).parent.mkdir(exist_ok=True)
        (at / name).touch()
    assert files("base.vae", Glob(include=["vaes"]), 9) == ["vaes/b.safetensors"]
    assert files("adapters.edges.image", Glob(include=["vaes"]), 9) == ["vaes/b.png"]


def test_a_folder_gives_the_images_of_every_format(at: Path) -> None:
    suffixes = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".new")
    (at / "all").mkdir()
    for suffix in (*suffixes, ".mp4", ".txt"):
        (at / f"all/a{suffix}").touch()
    with IMAGE_FORMATS.including("new", New()):
        assert files("task.image", Glob(include=["all"]), 99) == sorted(f"all/a{suffix}" for suffix in suffixes)


def test_a_declared_axis_moves_with_prompts(at: Path, configs: Write) -> None:
    declared = (
        GLOBAL
        + """
defaults:
  - override /task: image_to_image
sweep:
  axes:
    task.image: glob(masks)
    prompt: [a fox, a cat]
  zip: [[task.image, prompt]]
"""
    )
    directory = configs({"experiment/all.yaml": declared})
    plan = planner.make(Composer(directory), ["experiment=all"]).plan
    found = {(cell.values["task.image"], cell.values["prompt"]) for cell in plan.cells}
    assert found == {("masks/1.png", "a fox"), ("masks/2.png", "a cat")}


@pytest.mark.parametrize(
    ("masks", "unlike"), [(["1_mask.png", "2_mask.png"], False), (["1.png", "3.png"], True), (["a.png", "b.png"], True)]
)
def test_images_and_masks_that_do_not_belong_together(
    at: Path, composer: Composer, masks: list[str], unlike: bool
) -> None:
    (at / "found").mkdir()
    for name in masks:
        Image.linear_gradient("L").resize((64, 64)).save(at / "found" / name)
    words = ["task=inpainting", "prompt=a red heart", "task.image=glob(masks)", "task.mask=glob(found)"]
    planned = planner.make(composer, [*words, "sweep.zip=[[task.image,task.mask]]"])
    assert len(planned.plan.cells) == 2
    assert any("unlike names" in text for text in planned.warnings) == unlike
