"""What is said of input images before anything is loaded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from tcdflow.config.compose import Composer
from tcdflow.errors import ConfigError
from tcdflow.inputs import findings
from tcdflow.inputs.mask import mask
from tcdflow.request.prepare import Preparer
from tcdflow.request.request import Request
from tcdflow.spec.inputs import MaskUse, Size
from tcdflow.sweeps import planner

Told = Callable[..., list[str]]


@pytest.fixture
def told(tmp_path: Path, composer: Composer) -> Told:
    """Return what is said of an image, and maybe of its mask."""

    def warned(image: Image.Image, *overrides: str, mask: Image.Image | None = None) -> list[str]:
        image.save(tmp_path / "image.png")
        words = ["prompt=a red heart", "task=image_to_image" if mask is None else "task=inpainting"]
        words.append(f"task.image={tmp_path / 'image.png'}")
        if mask is not None:
            mask.save(tmp_path / "mask.png")
            words.append(f"task.mask={tmp_path / 'mask.png'}")
        prepared = Preparer()(Request.composed(composer.compose([*words, *overrides])))
        return [text for text in prepared.warnings if text.startswith("task.")]

    return warned


def photo(width: int = 64, height: int = 64) -> Image.Image:
    return Image.radial_gradient("L").resize((width, height)).convert("RGB")


def spot(value: int = 255, ground: int = 0, size: tuple[int, int] = (64, 64)) -> Image.Image:
    image = Image.new("L", size, ground)
    image.paste(value, (size[0] // 4, size[1] // 4, size[0] // 2, size[1] // 2))
    return image


@pytest.mark.parametrize("size", [(64, 64), (640, 640), (128, 127), (33, 33)])
def test_nothing_is_said_of_what_fits(told: Told, size: tuple[int, int]) -> None:
    assert told(photo(*size)) == []
    assert told(photo(*size), mask=spot(size=size)) == []


def test_a_stretched_image(told: Told) -> None:
    (text,) = told(photo(128, 96))
    assert text == (
        "task.image is stretched from 128 x 96 to 64 x 64 pixels, 25 % narrower; task.fit=crop cuts it instead, "
        "sampling.width=aspect sampling.height=aspect keeps its shape"
    )
    assert told(photo(128, 96), "task.fit=crop") == []
    assert told(photo(128, 96), "sampling.width=aspect", "sampling.height=aspect") == []
    assert told(photo(128, 96), "sampling.width=input", "sampling.height=input") == []


def test_a_tiny_image(told: Told) -> None:
    (text,) = told(photo(16, 16))
    assert text == "task.image is enlarged 4 times, from 16 x 16 to 64 x 64 pixels, and comes out soft"
    assert told(photo(32, 32)) == []


NAME = "task.mask (mask.png) selects nothing, so that nothing is repainted: "
ALL = "task.mask (mask.png) selects everything, so that all is repainted: "


ALPHA = "there are strokes in its alpha channel, which task.mask_from=alpha takes"


@pytest.mark.parametrize(
    ("mask", "said"),
    [
        (spot(1), NAME + "it goes from 0 to 1 of 255, as in a mask of 1 for white: task.mask_threshold=1 takes all"),
        (spot(38), NAME + "it goes from 0 to 38 of 255, as in a mask of 38 for white: task.mask_threshold=1 takes"),
        (spot(0), NAME + "it is 0 of 255 all over"),
        (spot(255, 255), ALL + "it is 255 of 255 all over"),
        (spot(255, 200), ALL + "it goes from 200 to 255 of 255"),
        (
            Image.merge("RGBA", [spot(0)] * 3 + [spot()]),
            "255 all over; " + ALPHA,
        ),
        (photo(), "task.mask (mask.png) has many greys; those from task.mask_threshold=128 on are repainted, "),
        (Image.merge("RGBA", [*photo().split(), spot()]), ALPHA),
        (spot().resize((64, 64)).convert("P"), None),
        (spot().convert("1"), None),
    ],
)
def test_masks(told: Told, mask: Image.Image, said: str | None) -> None:
    found = [text for text in told(photo(), mask=mask) if "transparent" not in text]
    assert bool(found) == (said is not None)
    assert said is None or said in found[0]


def test_what_is_said_of_a_mask_helps(told: Told) -> None:
    assert told(photo(), "task.mask_threshold=1", mask=spot(1)) == []
    drawn = Image.merge("RGBA", [spot(0)] * 3 + [spot()])
    assert told(photo(), "task.mask_from=alpha", mask=drawn) == []
    assert told(photo(), "task.mask_padding=8", mask=spot()) == []


def test_strokes_that_are_lost(told: Told) -> None:
    thin = Image.new("L", (1024, 1024))
    ImageDraw.Draw(thin).line((0, 0, 1023, 1023), fill=255)
    (text,) = told(photo(1024, 1024), mask=thin)
    assert text.endswith("what it selects is too thin for the run's size")


def test_an_alpha_channel_that_is_not_there(told: Told) -> None:
    with pytest.raises(ConfigError, match=r"task.mask_from = 'alpha': .* has no transparency; write luminance"):
        told(photo(), "task.mask_from=alpha", mask=spot())


def test_a_blur_without_effect(told: Told) -> None:
    with pytest.raises(ConfigError, match=r"task.mask_blur = 4.0: has no effect without task.paste_back=true"):
        told(photo(), "task.mask_blur=4", mask=spot())


@pytest.mark.parametrize(
    ("overrides", "warned"),
    [([], False), (["output.format=jpeg"], True), (["output.format=webp", "output.quality=100"], False)],
)
def test_pasting_back_into_a_format(told: Told, overrides: list[str], warned: bool) -> None:
    found = told(photo(), "task.paste_back=true", *overrides, mask=spot())
    assert [text.startswith("task.paste_back keeps") for text in found] == [True] * warned


def test_a_file_is_decoded_once_for_all_cells(
    tmp_path: Path, composer: Composer, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo().save(tmp_path / "image.png")
    spot(1).save(tmp_path / "mask.png")
    decoded: list[Path] = []

    def counted(path: Path, use: MaskUse, size: Size) -> Image.Image:
        decoded.append(path)
        return mask(path, use, size)

    monkeypatch.setattr(findings, "mask", counted)
    words = ["prompt=a red heart", "task=inpainting", "sampling.seed=range(20)"]
    words += [f"task.{name}={tmp_path / name}.png" for name in ("image", "mask")]
    planned = planner.make(composer, words)
    assert len(decoded) == 1
    assert [text.startswith(NAME) for text in planned.warnings] == [True]


def holed() -> Image.Image:
    image = photo().convert("RGBA")
    image.putalpha(spot(0, 255))
    return image


class TestMaskOfItself:
    @pytest.fixture
    def said(self, tmp_path: Path, composer: Composer) -> Callable[..., str]:
        holed().save(tmp_path / "hole.png")
        file = tmp_path / "hole.png"
        words = ["prompt=a red heart", "task=inpainting", f"task.image={file}", f"task.mask={file}"]

        def warned(*overrides: str) -> str:
            return "\n".join(Preparer()(Request.composed(composer.compose([*words, *overrides]))).warnings)

        return warned

    def test_selects_its_hole_only_where_that_is_said(self, said: Callable[..., str]) -> None:
        assert "is the image itself and selects what is bright in it; task.mask_from=alpha" in said()
        assert "is the image itself and selects what is opaque in it" in said("task.mask_from=alpha")
        assert "the image itself" not in said("task.mask_from=alpha", "task.mask_invert=true")


def drawing(ground: int) -> Image.Image:
    image = Image.new("L", (64, 64), ground)
    ImageDraw.Draw(image).ellipse((8, 8, 56, 56), outline=255 - ground, width=2)
    return image


@pytest.mark.parametrize(
    ("image", "preset", "preprocessor", "found"),
    [
        (drawing(255), "canny_sd15", "null", "is dark lines on white; "),
        (drawing(255), "canny_sd15", None, None),
        (drawing(0), "canny_sd15", "null", None),
        (drawing(0), "canny_sd15", None, "is white lines on black already; adapters.canny.preprocessor=null"),
        (drawing(0), "lineart_sd15", None, "is white lines on black already; "),
        (drawing(255), "lineart_sd15", None, None),
        (drawing(255), "depth_sd15", None, None),
        (photo(), "canny_sd15", "null", None),
        (photo(), "canny_sd15", None, None),
        (Image.new("L", (64, 64), 255), "canny_sd15", "null", None),
    ],
)
def test_a_drawing_of_lines_has_the_ground_that_it_needs(
    image: Image.Image, preset: str, preprocessor: str | None, found: str | None, tmp_path: Path, composer: Composer
) -> None:
    image.save(tmp_path / "lines.png")
    name = preset.removesuffix("_sd15")
    words = ["prompt=x", "base=sd15", "loras=[]", f"adapters=[{preset}]", f"adapters.{name}.image=lines.png"]
    if preprocessor:
        words += [f"adapters.{name}.preprocessor={preprocessor}"]
    (use,) = composer.compose(words).spec.image_uses()
    said = list(findings.of_image(tmp_path / "lines.png", use, (64, 64)))
    assert len(said) == (found is not None)
    assert all(str(found) in text for text in said)


@pytest.mark.parametrize(
    ("size", "words", "found"),
    [
        (
            (128, 64),
            (),
            "middle square: 50 %, at its left and right, is cut off; adapters.ip_adapter.size=512 stretches",
        ),
        ((64, 80), (), "middle square: 20 %, at its top and bottom, is cut off"),
        ((64, 65), (), None),
        ((128, 64), ("adapters.ip_adapter.size=64",), "adapters.ip_adapter.size=null reads its middle square instead"),
    ],
)
def test_what_an_image_encoder_does_not_see(
    size: Size, words: tuple[str, ...], found: str | None, tmp_path: Path, composer: Composer
) -> None:
    photo(*size).save(tmp_path / "a.png")
    own = ["prompt=x", "base=sd15", "loras=[]", "adapters=[ip_adapter_sd15]", "adapters.ip_adapter.images=[a.png]"]
    (use,) = composer.compose([*own, "adapters.ip_adapter.size=null", *words]).spec.image_uses()
    said = list(findings.of_image(tmp_path / "a.png", use, (64, 64)))
    assert len(said) == (found is not None)
    assert all(str(found) in text for text in said)


@pytest.mark.parametrize("name", ["a#1.png", "100%.png", "me@home=x&y.png", "what?.png"])
def test_a_path_is_no_address_whatever_its_characters(name: str, tmp_path: Path, composer: Composer) -> None:
    photo().save(tmp_path / name)
    words = ["prompt=a red heart", "task=image_to_image", f"task.image={tmp_path / name}"]
    prepared = Preparer()(Request.composed(composer.compose(words)))
    assert prepared.files.by_role["task.image"].path.name == name


def test_a_file_of_prompts_in_place_of_a_prompt(
    tmp_path: Path, composer: Composer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("prompts.txt").write_text("a fox\na panda\n", "utf-8")
    for prompt, told in (("prompts.txt", True), ("others.txt", False), ("a\0.txt", False), ("a fox", False)):
        spec = composer.compose(["prompt=a fox"]).spec.model_copy(update={"prompt": prompt})
        found = [text for text in Preparer()(Request(spec)).warnings if "sweep.prompts_from=prompts.txt" in text]
        assert bool(found) == told
