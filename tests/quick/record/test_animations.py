"""Animations: time, colours, sizes, and the recipe inside or beside them."""

from __future__ import annotations

import hashlib
import io
import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageChops

from tcdflow.errors import OutputError
from tcdflow.parts.encoding.delays import delays
from tcdflow.record import document
from tcdflow.record.metadata import read_recipe
from tcdflow.record.pixels import frames_of, frames_sha256
from tcdflow.record.sample import Sample
from tcdflow.spec.formats import ANIMATION_FORMATS
from tcdflow.spec.model import RunSpec
from tests.quick.record.outputs import MOVING, a_spec, an_animation, an_image, durations, write


@pytest.mark.parametrize("output", MOVING.values(), ids=MOVING)
def test_every_format_of_an_animation_brings_its_recipe_back(tmp_path: Path, output: dict[str, Any]) -> None:
    spec = a_spec(output)
    record = write(tmp_path, spec, [an_animation()])
    out = record.outputs[0]
    path = tmp_path / out.file
    assert out.file == f"animation.{output['animation']}"
    assert out.sidecar == (None if output["animation"] == "webp" else "animation.json")
    assert RunSpec.model_validate(read_recipe(path)["spec"]) == spec
    frames = list(frames_of(path))
    assert out.frames == len(frames) == 6
    assert out.pixel_sha256 == frames_sha256(frames)
    assert out.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert not list(tmp_path.glob(".partial*"))
    for frame, original in zip(frames, an_animation().frames, strict=True):
        difference = ImageChops.difference(frame, original).convert("L").resize((1, 1), Image.Resampling.BOX)
        assert difference.getpixel((0, 0)) <= 6  # type: ignore[operator]
    if output.get("quality") == 100:
        assert out.pixel_sha256 == frames_sha256(an_animation().frames)


@pytest.mark.parametrize("output", MOVING.values(), ids=MOVING)
def test_an_animation_without_metadata_has_none(tmp_path: Path, output: dict[str, Any]) -> None:
    out = write(tmp_path, a_spec({**output, "metadata": "none"}), [an_animation(2)]).outputs[0]
    assert out.sidecar is None and not list(tmp_path.glob("a*.json"))
    data = (tmp_path / out.file).read_bytes()
    assert not any(w in data for w in (b"tcdflow", b"fox", b"EXIF", b"XMP", b"Lavf", b"Lavc", b"x264", b"Pillow"))


def test_several_animations_are_numbered_and_images_count_for_themselves(tmp_path: Path) -> None:
    still = Sample((an_image(),), 3)
    record = write(tmp_path, a_spec(), [an_animation(2, 1), still, an_animation(2, 2)])
    assert [o.file for o in record.outputs] == ["animation_000.gif", "000.png", "animation_001.gif"]
    assert [o.sidecar for o in record.outputs] == ["animation_000.json", None, "animation_001.json"]
    assert read_recipe(tmp_path / "animation_001.gif")["seed"] == 2


@pytest.mark.parametrize("fps", [1, 3, 7, 8, 10, 12, 24, 30, 50])
def test_a_gif_lasts_as_long_as_its_frames_a_second_say(tmp_path: Path, fps: int) -> None:
    out = write(tmp_path, a_spec({"animation": "gif", "fps": fps}), [an_animation(16)]).outputs[0]
    found = durations(tmp_path / out.file)
    assert len(found) == 16
    assert abs(sum(found) - 16_000 / fps) <= 5
    assert max(found) - min(found) <= 10


def test_a_gif_asks_for_no_delay_that_players_turn_into_a_tenth_of_a_second(tmp_path: Path) -> None:
    out = write(tmp_path, a_spec({"animation": "gif", "fps": 60}), [an_animation(12)]).outputs[0]
    assert durations(tmp_path / out.file) == [20] * 12


@pytest.mark.parametrize("fps", [7, 30, 60])
def test_a_webp_lasts_right_to_the_millisecond(tmp_path: Path, fps: int) -> None:
    out = write(tmp_path, a_spec({"animation": "webp", "fps": fps}), [an_animation(16)]).outputs[0]
    assert abs(sum(durations(tmp_path / out.file)) - 16_000 / fps) <= 0.5


@given(st.integers(1, 1024), st.integers(1, 60), st.sampled_from([100, 1000]))
def test_delays_never_drift(count: int, fps: int, units: int) -> None:
    found = delays(count, fps, units)
    for shown in range(1, count + 1):
        assert abs(sum(found[:shown]) - units * shown / fps) <= 0.5


def test_frames_that_stand_still_keep_their_time(tmp_path: Path) -> None:
    made = Sample((an_image(),) * 5 + (an_image(1),), 7, animated=True)
    for format in ("gif", "webp"):
        out = write(tmp_path, a_spec({"animation": format, "fps": 10}), [made]).outputs[0]
        assert out.frames == 2
        assert durations(tmp_path / out.file) == [500, 100]
    assert write(tmp_path, a_spec({"animation": "mp4"}), [made]).outputs[0].frames == 6


@pytest.mark.parametrize("format", ["gif", "webp", "mp4"])
def test_an_animation_may_have_one_frame(tmp_path: Path, format: str) -> None:
    assert write(tmp_path, a_spec({"animation": format}), [an_animation(1)]).outputs[0].frames == 1


@pytest.mark.parametrize("loop", [True, False])
def test_looping_is_as_asked(tmp_path: Path, loop: bool) -> None:
    for format, once in (("gif", None), ("webp", 1)):
        out = write(tmp_path, a_spec({"animation": format, "loop": loop}), [an_animation(2)]).outputs[0]
        with Image.open(tmp_path / out.file) as image:
            assert image.info.get("loop") == (0 if loop else once)


def test_a_gif_keeps_few_colours_exactly(tmp_path: Path) -> None:
    frames = tuple(an_image(n).quantize(200).convert("RGB") for n in range(3))
    out = write(tmp_path, a_spec({"animation": "gif"}), [Sample(frames, 7, animated=True)]).outputs[0]
    assert out.pixel_sha256 == frames_sha256(frames)


@pytest.mark.parametrize(("size", "even"), [((64, 48), (64, 48)), ((63, 48), (64, 48)), ((37, 51), (38, 52))])
def test_a_video_is_not_scaled_and_an_odd_edge_is_repeated(
    tmp_path: Path, size: tuple[int, int], even: tuple[int, int]
) -> None:
    out = write(tmp_path, a_spec({"animation": "mp4"}), [an_animation(2, size=size)]).outputs[0]
    assert (out.width, out.height) == even
    first = next(frames_of(tmp_path / out.file))
    shown = first.crop((0, 0, *size))
    far = ImageChops.difference(shown, an_image(0, size)).convert("L")
    assert far.resize((1, 1), Image.Resampling.BOX).getpixel((0, 0)) <= 4  # type: ignore[operator]
    corner = first.getpixel((even[0] - 1, even[1] - 1))
    beside = first.getpixel((size[0] - 1, size[1] - 1))
    assert isinstance(corner, tuple) and isinstance(beside, tuple)
    assert all(abs(a - b) <= 12 for a, b in zip(corner, beside, strict=True))


def test_a_video_that_cannot_be_encoded_is_one_message(tmp_path: Path) -> None:
    wide = Sample((Image.new("RGB", (20_000, 2)),), 7, animated=True)  # H.264 ends at 16,384
    with pytest.raises(OutputError, match=r"animation\.mp4: cannot be encoded: ffmpeg: ") as caught:
        write(tmp_path, a_spec({"animation": "mp4"}), [wide])
    assert "\n" not in str(caught.value) and str(caught.value).isprintable()
    assert document.read(tmp_path).status == "failed"
    assert {p.name for p in tmp_path.iterdir()} == {"run.json"}


@pytest.mark.parametrize("size", [(32, 32), (64, 64), (112, 128), (176, 144)])
def test_a_video_has_the_same_bytes_from_call_to_call(size: tuple[int, int]) -> None:
    frames = an_animation(4, size=size).frames
    found = {ANIMATION_FORMATS["mp4"].encode(frames, None, fps=10, loop=True, quality=95).data for _ in range(20)}
    assert len(found) == 1


@pytest.mark.parametrize("fps", [1, 7, 30, 60])
def test_a_video_has_exactly_the_frames_a_second_asked_for(tmp_path: Path, fps: int) -> None:
    out = write(tmp_path, a_spec({"animation": "mp4", "fps": fps}), [an_animation(5)]).outputs[0]
    with av.open(str(tmp_path / out.file)) as video:
        stream = video.streams.video[0]
        assert stream.average_rate == Fraction(fps)
        shown = [
            frame.pts * frame.time_base for frame in video.decode(stream) if frame.pts is not None and frame.time_base
        ]
        assert shown == [Fraction(number, fps) for number in range(5)]


def test_a_video_can_be_played_while_it_loads(tmp_path: Path) -> None:
    out = write(tmp_path, a_spec({"animation": "mp4"}), [an_animation(2)]).outputs[0]
    data = (tmp_path / out.file).read_bytes()
    assert 0 < data.index(b"moov") < data.index(b"mdat")


LEGACY = Path(__file__).parents[2] / "legacy" / "958240d" / "animations"


@pytest.mark.parametrize("name", ["gif", "webp", "mp4"])
def test_animations_of_earlier_versions_decode_to_the_pixels_that_were_recorded(name: str) -> None:
    expected = json.loads((LEGACY / "expected.json").read_text())[name]
    frames = list(frames_of(LEGACY / f"animation.{name}"))
    assert frames_sha256(frames) == expected["pixel_sha256"]
    assert (len(frames), list(frames[0].size)) == (expected["frames"], expected["size"])


@pytest.mark.parametrize("name", ["gif", "webp", "mp4"])
def test_frames_are_encoded_to_the_pixels_of_earlier_versions(name: str) -> None:
    with Image.open(LEGACY / "frames.png") as image:
        frames = [image.convert("RGB").crop((63 * n, 0, 63 * n + 63, 61)) for n in range(5)]
    format = ANIMATION_FORMATS[name]
    data = format.encode(frames, None, fps=8, loop=True, quality=90).data
    assert frames_sha256(format.frames(io.BytesIO(data))) == frames_sha256(frames_of(LEGACY / f"animation.{name}"))


def test_made_refuses_what_cannot_be_written() -> None:
    for frames, animated in (((), False), ((), True), ((an_image(),) * 2, False)):
        with pytest.raises(ValueError, match="one frame"):
            Sample(frames, 0, animated)
    with pytest.raises(ValueError, match="differ in size"):
        Sample((an_image(), an_image(0, (32, 32))), 0, animated=True)
    assert Sample((an_image(),), 0).still and not an_animation(1).still
