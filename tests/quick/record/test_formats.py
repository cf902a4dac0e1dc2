"""Output formats as parts: each keeps its promises, and one that a test adds is all that the product needs to know."""

from __future__ import annotations

import io
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from PIL import Image

from tcdflow.config.compose import Composer
from tcdflow.errors import ConfigError, RecordError, SourceError
from tcdflow.files.image_header import check_image
from tcdflow.record.metadata import read_recipe
from tcdflow.record.pixels import frames_of, frames_sha256, pixel_sha256
from tcdflow.record.sample import Sample
from tcdflow.rerun import source
from tcdflow.spec import rules
from tcdflow.spec.formats import (
    ANIMATION_FORMATS,
    IMAGE_FORMATS,
    START,
    AnimationFormat,
    Encoded,
    ImageFormat,
    Texts,
    all_formats,
)
from tcdflow.spec.model import RunSpec
from tcdflow.spec.output import OutputSpec
from tests.helpers import left_behind
from tests.quick.record.outputs import a_spec, an_animation, an_image, write


class Ppm(ImageFormat):
    """Pixels in plain bytes, with the recipe behind them."""

    label = "PPM"
    suffix = ".ppm"
    description = "large and simple"
    pillow = "PPM"

    def claims(self, start: bytes) -> bool:
        return start.startswith(b"P6\n")

    def encode(self, image: Image.Image, texts: Texts | None, quality: int) -> Encoded:
        head = f"P6\n{image.width} {image.height}\n255\n".encode()
        return Encoded(head + image.tobytes() + (texts.recipe.encode() if texts else b""), texts is not None)

    def frames(self, file: BinaryIO) -> Iterator[Image.Image]:
        width, height, pixels, _ = self._split(file)
        yield Image.frombytes("RGB", (width, height), pixels)

    def recipe(self, file: BinaryIO) -> bytes | None:
        return self._split(file)[3] or None

    def _split(self, file: BinaryIO) -> tuple[int, int, bytes, bytes]:
        file.readline(9)
        width, height = map(int, file.readline(99).split())
        file.readline(9)
        return width, height, file.read(3 * width * height), file.read()


class Strip(AnimationFormat):
    """The frames side by side in a PNG behind a word, with no room for texts."""

    label = "strip"
    suffix = ".strip"
    description = "for looking at"
    max_fps = 1

    def claims(self, start: bytes) -> bool:
        return start.startswith(b"STRIP")

    def encode(
        self, frames: Sequence[Image.Image], texts: Texts | None, *, fps: int, loop: bool, quality: int
    ) -> Encoded:
        (width, height), count = frames[0].size, len(frames)
        strip = Image.new("RGB", (width * count, height))
        for number, frame in enumerate(frames):
            strip.paste(frame, (width * number, 0))
        buffer = io.BytesIO()
        strip.save(buffer, format="PNG")
        return Encoded(b"STRIP" + bytes([count]) + buffer.getvalue())

    def frames(self, file: BinaryIO) -> Iterator[Image.Image]:
        count = file.read(6)[5]
        with Image.open(io.BytesIO(file.read()), formats=("PNG",)) as strip:
            width = strip.width // count
            for number in range(count):
                yield strip.crop((width * number, 0, width * (number + 1), strip.height))


@pytest.fixture
def toys() -> Iterator[None]:
    with IMAGE_FORMATS.including("ppm", Ppm()), ANIMATION_FORMATS.including("strip", Strip()):
        yield


TOYS = {"format": "ppm", "animation": "strip"}


def test_a_name_that_no_format_has_is_told_with_those_that_are_there(composer: Composer) -> None:
    with pytest.raises(ConfigError) as caught:
        composer.compose(["output.format=ppm", "output.animation=mp5"])
    message = str(caught.value)
    assert "output.format" in message and f"must be {quoted(IMAGE_FORMATS)}" in message
    assert "output.animation" in message and f"must be {quoted(ANIMATION_FORMATS)}" in message
    assert "did you mean 'mp4'?" in message


def quoted(names: Any) -> str:
    *most, last = (f"'{name}'" for name in names)
    return f"{', '.join(most)} or {last}"


@pytest.mark.parametrize("wrong", [7, True, None, [], {}])
def test_what_is_no_name_is_no_format(wrong: object) -> None:
    with pytest.raises(ValueError, match="Input should be 'gif', "):
        OutputSpec(animation=wrong)


@pytest.mark.usefixtures("toys")
def test_a_format_is_allowed_once_it_is_there(composer: Composer) -> None:
    said = ["output.format=ppm", "output.animation=strip"]
    spec = composer.compose(said).spec
    assert (spec.output.format, spec.output.animation) == ("ppm", "strip")
    schema = RunSpec.model_json_schema()["$defs"]["OutputSpec"]["properties"]
    assert schema["format"]["enum"] == list(IMAGE_FORMATS) and "ppm" in IMAGE_FORMATS
    assert schema["animation"]["enum"] == list(ANIMATION_FORMATS)


@pytest.mark.usefixtures("toys")
def test_it_is_written_recorded_and_read_back(tmp_path: Path) -> None:
    spec = a_spec(TOYS)
    record = write(tmp_path, spec, [Sample((an_image(),), 7), an_animation(3, seed=8)])
    still, moving = record.outputs
    assert (still.file, still.sidecar, still.frames) == ("000.ppm", None, None)
    assert (moving.file, moving.sidecar, moving.frames) == ("animation.strip", "animation.json", 3)
    assert still.pixel_sha256 == pixel_sha256(an_image()) == frames_sha256(frames_of(tmp_path / still.file))
    assert moving.pixel_sha256 == frames_sha256(an_animation(3).frames)
    for out in record.outputs:
        recipe = read_recipe(tmp_path / out.file)
        assert (recipe["seed"], RunSpec.model_validate(recipe["spec"])) == (out.seed, spec)
        assert source.find(tmp_path / out.file).outputs[0].pixel_sha256 == out.pixel_sha256
    assert source.find(tmp_path / "animation.json").outputs[0].file == tmp_path / "animation.strip"


@pytest.mark.usefixtures("toys")
def test_the_next_run_removes_it(tmp_path: Path) -> None:
    write(tmp_path, a_spec(TOYS), [Sample((an_image(),), 7), an_animation(3)])
    write(tmp_path, a_spec(), [Sample((an_image(),), 7)])
    assert left_behind(tmp_path) == ["000.png", "run.json"]


def test_an_input_image_may_have_it_if_pillow_reads_it(tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(Ppm().encode(an_image(), None, 1).data)
    with pytest.raises(SourceError, match="is not an image in a known format"):
        check_image(tmp_path / "in")
    with IMAGE_FORMATS.including("ppm", Ppm()):
        assert check_image(tmp_path / "in") == an_image().size


@pytest.mark.usefixtures("toys")
def test_more_frames_a_second_than_it_shows_is_a_warning(composer: Composer) -> None:
    said = ["experiment=animation", "output.animation=strip", "output.fps=2"]
    warnings = [*rules.warnings(composer.compose(said).spec)]
    assert [text for text in warnings if text == "output.fps=2 is more than strip can show (1); gif, mp4 or webp can"]


@pytest.mark.parametrize("format", all_formats(), ids=lambda format: type(format).__name__)
def test_a_format_says_what_it_is(format: ImageFormat | AnimationFormat, tmp_path: Path) -> None:
    assert format.suffix.startswith(".") and format.suffix.isascii()
    assert format.description and "\n" not in format.description and len(format.description) <= 120
    still = isinstance(format, ImageFormat)
    data = (
        format.encode(an_image(), None, 90).data
        if isinstance(format, ImageFormat)
        else format.encode(an_animation(2).frames, None, fps=5, loop=True, quality=90).data
    )
    claiming = {type(other).label for other in all_formats() if other.claims(data[:START])}
    assert claiming == {format.label}
    assert len(list(format.frames(io.BytesIO(data)))) == (1 if still else 2)
    assert format.recipe(io.BytesIO(data)) is None


@pytest.mark.parametrize("quality", [1, 99, 100])
@pytest.mark.parametrize("format", IMAGE_FORMATS.values(), ids=lambda format: format.label)
def test_a_format_says_whether_it_keeps_every_pixel(format: ImageFormat, quality: int) -> None:
    noise = Image.frombytes("RGB", (64, 64), random.Random(0).randbytes(3 * 64 * 64))
    (read,) = format.frames(io.BytesIO(format.encode(noise, None, quality).data))
    assert format.keeps(quality) == (read.tobytes() == noise.tobytes())


@pytest.mark.parametrize("format", [f for f in all_formats() if f.pillow], ids=lambda f: f.label)
def test_what_a_run_writes_is_accepted_as_an_input(format: ImageFormat | AnimationFormat, tmp_path: Path) -> None:
    data = (
        format.encode(an_image(), None, 90).data
        if isinstance(format, ImageFormat)
        else format.encode(an_animation(2).frames, None, fps=5, loop=True, quality=90).data
    )
    (tmp_path / "in").write_bytes(data)
    assert check_image(tmp_path / "in") == an_image().size


@pytest.mark.parametrize("name", list(ANIMATION_FORMATS))
def test_more_frames_than_a_run_makes_are_refused(name: str, tmp_path: Path) -> None:
    format, tiny = ANIMATION_FORMATS[name], [an_image(number, (8, 8)) for number in range(8)]
    frames = [tiny[number % 8] for number in range(1030)]
    data = format.encode(frames, None, fps=60, loop=True, quality=50).data
    (tmp_path / "long").write_bytes(data)
    with pytest.raises(RecordError, match="more than any run makes"):
        list(frames_of(tmp_path / "long"))
