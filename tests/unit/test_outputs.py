"""What a run writes: pictures, animations, sheets, and the recipes inside them."""

from __future__ import annotations

import functools
import hashlib
import io
import os
import random
import subprocess
import sys
import tempfile
import time
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops, PngImagePlugin

from tcdflow.artifacts.lock import LockedFile
from tcdflow.errors import OutputError, RecordError
from tcdflow.record import document
from tcdflow.record.animations import delays
from tcdflow.record.document import Record
from tcdflow.record.embed import Carried
from tcdflow.record.grid import MAX_SIDE, sheet
from tcdflow.record.made import Made
from tcdflow.record.metadata import read_recipe
from tcdflow.record.pixels import frames_of, frames_sha256, pixel_sha256
from tcdflow.record.recipe import recipe_json
from tcdflow.record.rundir import RunDirectory
from tcdflow.spec.model import BaseModelSpec, OutputSpec, RunSpec, SamplingSpec, SchedulerSpec

LOCK = (
    LockedFile(role="base", source="hub", revision="c0ffee", file="unet/a.safetensors", size=3, sha256="ab" * 32),
    LockedFile(role="loras.tcd", source="hub", revision=None, file="b.safetensors", size=4, sha256="cd" * 32),
)
STILLS: dict[str, dict[str, Any]] = {
    "png": {"format": "png"},
    "jpeg": {"format": "jpeg"},
    "jpeg at 60": {"format": "jpeg", "quality": 60},
    "webp": {"format": "webp"},
    "webp without loss": {"format": "webp", "quality": 100},
}
MOVING: dict[str, dict[str, Any]] = {
    "gif": {"animation": "gif"},
    "webp": {"animation": "webp"},
    "webp without loss": {"animation": "webp", "quality": 100},
    "mp4": {"animation": "mp4"},
}


def a_spec(output: dict[str, Any] | None = None, prompt: str = "a fox, 狐 🦊 \u202e") -> RunSpec:
    return RunSpec(
        prompt=prompt,
        negative_prompt="blurry",
        base=BaseModelSpec(family="emoji", source="embedded:emoji", size=64),
        scheduler=SchedulerSpec(name="tcd"),
        sampling=SamplingSpec(steps=4, eta=0.3, guidance_scale=0.0, seed=7),
        output=OutputSpec(**(output or {})),
    )


@functools.cache
def a_picture(seed: int = 0, size: tuple[int, int] = (64, 64)) -> Image.Image:
    """A smooth picture with more than 256 colours, each seed another one."""
    x = Image.linear_gradient("L").rotate(90).resize(size)
    y = Image.linear_gradient("L").resize(size)
    base = Image.merge("RGB", (x, y, ImageChops.add(x, y, 2)))
    return ImageChops.offset(base, 5 * seed, 3 * seed)


def an_animation(count: int = 6, seed: int = 7, size: tuple[int, int] = (64, 64)) -> Made:
    return Made(tuple(a_picture(n, size) for n in range(count)), seed, animated=True)


def write(directory: Path, spec: RunSpec, made: list[Made], inputs: dict[str, Image.Image] | None = None) -> Record:
    with RunDirectory.open(directory, spec) as run:
        run.lock(LOCK)
        run.save(made, inputs)
    return document.read(directory)


def durations(path: Path) -> list[int]:
    with Image.open(path) as image:
        found = []
        for number in range(getattr(image, "n_frames", 1)):
            image.seek(number)
            image.load()
            found.append(image.info["duration"])
        return found


# Pictures


@pytest.mark.parametrize("output", STILLS.values(), ids=STILLS)
def test_every_format_of_a_picture_brings_its_recipe_back(tmp_path: Path, output: dict[str, Any]) -> None:
    spec = a_spec(output)
    record = write(tmp_path, spec, [Made((a_picture(n),), 7 + n) for n in range(2)])
    suffix = {"png": "png", "jpeg": "jpg", "webp": "webp"}[output["format"]]
    assert [o.file for o in record.outputs] == [f"000.{suffix}", f"001.{suffix}"]
    for number, out in enumerate(record.outputs):
        path = tmp_path / out.file
        recipe = read_recipe(path)
        assert recipe["seed"] == out.seed == 7 + number
        assert RunSpec.model_validate(recipe["spec"]) == spec
        assert [LockedFile(**file) for file in recipe["lock"]] == list(LOCK)
        assert out.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
        with Image.open(path) as image:
            assert out.pixel_sha256 == pixel_sha256(image)
            assert image.size == (out.width, out.height)
        assert (out.frames, out.sidecar) == (None, None)


@pytest.mark.parametrize("name", ["png", "webp without loss"])
def test_formats_without_loss_keep_every_pixel(tmp_path: Path, name: str) -> None:
    out = write(tmp_path, a_spec(STILLS[name]), [Made((a_picture(),), 0)]).outputs[0]
    assert out.pixel_sha256 == pixel_sha256(a_picture())


@pytest.mark.parametrize("format", ["png", "jpeg", "webp"])
def test_the_a1111_text_is_where_galleries_look(tmp_path: Path, format: str) -> None:
    out = write(tmp_path, a_spec({"format": format}), [Made((a_picture(),), 7)]).outputs[0]
    with Image.open(tmp_path / out.file) as image:
        if format == "png":
            text = image.info["parameters"]
        else:
            comment = image.getexif().get_ifd(0x8769)[0x9286]
            assert isinstance(comment, bytes) and comment.startswith(b"UNICODE\0")
            text = comment[8:].decode("utf-16-be")
    assert text == Carried.of(a_spec(), LOCK, 7).parameters
    assert text.startswith("a fox, 狐 🦊") and "Seed: 7" in text


@pytest.mark.parametrize("output", STILLS.values(), ids=STILLS)
def test_none_leaves_nothing_inside(tmp_path: Path, output: dict[str, Any]) -> None:
    dirty = a_picture().copy()
    dirty.info = {"comment": b"secret", "icc_profile": b"secret", "exif": b"secret", "xmp": b"secret", "dpi": (9, 9)}
    record = write(tmp_path, a_spec({**output, "metadata": "none"}), [Made((dirty,), 7)], {"mask": dirty})
    assert not list(tmp_path.glob("0*.json"))
    for name in [record.outputs[0].file, record.inputs[0].file, "grid.png"]:
        data = (tmp_path / name).read_bytes()
        assert not any(word in data for word in (b"secret", b"tcdflow", b"fox", b"Software", b"Exif", b"XMP", b"tIME"))
        with Image.open(tmp_path / name) as image:
            allowed = {
                "jfif",
                "jfif_version",
                "jfif_unit",
                "jfif_density",
                "background",
                "loop",
                "timestamp",
                "duration",
            }
            assert set(image.info) <= allowed
    with pytest.raises(RecordError, match="carries no recipe"):
        read_recipe(tmp_path / record.outputs[0].file)


@pytest.mark.parametrize(("format", "length"), [("jpeg", 150_000), ("png", 1_200_000)])
def test_a_recipe_that_is_too_long_goes_beside_the_picture(tmp_path: Path, format: str, length: int) -> None:
    noise = random.Random(0).randbytes(length // 2).hex()
    with RunDirectory.open(tmp_path, a_spec({"format": format})) as run:
        run.lock([LOCK[0].model_copy(update={"source": noise})])
        run.save([Made((a_picture(),), 7)])
    out = document.read(tmp_path).outputs[0]
    assert out.sidecar == "000.json"
    assert read_recipe(tmp_path / out.file)["lock"][0]["source"] == noise
    assert read_recipe(tmp_path / "000.json")["seed"] == 7
    with Image.open(tmp_path / out.file) as image:
        image.load()
    write(tmp_path, a_spec({"format": format}), [])
    assert not (tmp_path / "000.json").exists()


def test_a_long_prompt_fits_a_jpeg_with_its_recipe(tmp_path: Path) -> None:
    spec = a_spec({"format": "jpeg"}, prompt="fox " * 5000)
    out = write(tmp_path, spec, [Made((a_picture(),), 7)]).outputs[0]
    assert out.sidecar is None
    assert read_recipe(tmp_path / out.file)["spec"]["prompt"] == spec.prompt
    long = spec.model_copy(update={"negative_prompt": "狐" * 20_000})
    out = write(tmp_path, long, [Made((a_picture(),), 7)]).outputs[0]
    assert read_recipe(tmp_path / out.file)["spec"]["negative_prompt"] == long.negative_prompt


# Animations


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


def test_several_animations_are_numbered_and_pictures_count_for_themselves(tmp_path: Path) -> None:
    still = Made((a_picture(),), 3)
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
    made = Made((a_picture(),) * 5 + (a_picture(1),), 7, animated=True)
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
    frames = tuple(a_picture(n).quantize(200).convert("RGB") for n in range(3))
    out = write(tmp_path, a_spec({"animation": "gif"}), [Made(frames, 7, animated=True)]).outputs[0]
    assert out.pixel_sha256 == frames_sha256(frames)


@pytest.mark.parametrize(("size", "even"), [((64, 48), (64, 48)), ((63, 48), (64, 48)), ((37, 51), (38, 52))])
def test_a_video_is_not_scaled_and_an_odd_edge_is_repeated(
    tmp_path: Path, size: tuple[int, int], even: tuple[int, int]
) -> None:
    out = write(tmp_path, a_spec({"animation": "mp4"}), [an_animation(2, size=size)]).outputs[0]
    assert (out.width, out.height) == even
    first = next(frames_of(tmp_path / out.file))
    shown = first.crop((0, 0, *size))
    far = ImageChops.difference(shown, a_picture(0, size)).convert("L")
    assert far.resize((1, 1), Image.Resampling.BOX).getpixel((0, 0)) <= 4  # type: ignore[operator]
    corner = first.getpixel((even[0] - 1, even[1] - 1))
    beside = first.getpixel((size[0] - 1, size[1] - 1))
    assert isinstance(corner, tuple) and isinstance(beside, tuple)
    assert all(abs(a - b) <= 12 for a, b in zip(corner, beside, strict=True))


def test_a_video_without_ffmpeg_is_one_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import imageio_ffmpeg

    def missing() -> str:
        raise RuntimeError("No ffmpeg exe could be found.\nInstall it.")

    monkeypatch.setattr(imageio_ffmpeg, "get_ffmpeg_exe", missing)
    with pytest.raises(OutputError, match="No ffmpeg exe could be found") as caught:
        write(tmp_path, a_spec({"animation": "mp4"}), [an_animation(2)])
    assert "\n" not in str(caught.value)
    assert document.read(tmp_path).status == "failed"
    assert {p.name for p in tmp_path.iterdir()} == {"run.json"}


def test_made_refuses_what_cannot_be_written() -> None:
    for frames, animated in (((), False), ((), True), ((a_picture(),) * 2, False)):
        with pytest.raises(ValueError, match="one frame"):
            Made(frames, 0, animated)
    with pytest.raises(ValueError, match="differ in size"):
        Made((a_picture(), a_picture(0, (32, 32))), 0, animated=True)
    assert Made((a_picture(),), 0).still and not an_animation(1).still


# The same again


def test_the_same_frames_give_the_same_bytes_in_every_timezone(tmp_path: Path) -> None:
    def all_files(directory: Path, zone: str) -> dict[str, bytes]:
        before = os.environ.get("TZ")
        os.environ["TZ"] = zone
        time.tzset()
        try:
            for output in (*STILLS.values(), *MOVING.values()):
                made = [Made((a_picture(),), 7), an_animation(4)]
                name = "-".join(str(value) for value in output.values())
                write(directory / name, a_spec(output), made, {"control_canny": a_picture(1)})
        finally:
            os.environ.pop("TZ")
            if before is not None:
                os.environ["TZ"] = before
            time.tzset()
        files = (p for p in directory.rglob("*") if p.is_file() and p.name != "run.json")
        return {str(p.relative_to(directory)): p.read_bytes() for p in files}

    here, there = all_files(tmp_path / "a", "Pacific/Kiritimati"), all_files(tmp_path / "b", "America/New_York")
    assert len(here) > 20
    assert here == there


# Sheets and inputs


def test_inputs_and_the_sheet_are_written_and_listed(tmp_path: Path) -> None:
    inputs = {"image": a_picture(1), "mask": a_picture(2).convert("L"), "control_canny": a_picture(3).convert("1")}
    record = write(tmp_path, a_spec(), [Made((a_picture(),), 7)], inputs)
    assert [i.name for i in record.inputs] == list(inputs)
    assert [i.file for i in record.inputs] == ["inputs/image.png", "inputs/mask.png", "control_canny.png"]
    for given_, original in zip(record.inputs, inputs.values(), strict=True):
        assert given_.pixel_sha256 == pixel_sha256(original)
        assert given_.sha256 == hashlib.sha256((tmp_path / given_.file).read_bytes()).hexdigest()
        with Image.open(tmp_path / given_.file) as image:
            assert (image.mode, image.size) == ("RGB", (given_.width, given_.height))
    assert record.grid is not None
    assert record.grid.sha256 == hashlib.sha256((tmp_path / "grid.png").read_bytes()).hexdigest()
    assert [o.file for o in record.outputs] == ["000.png"]


@pytest.mark.parametrize(
    ("pictures", "inputs", "asked", "there"),
    [(1, 0, True, False), (2, 0, True, True), (1, 1, True, True), (3, 1, False, False), (0, 1, True, False)],
)
def test_a_sheet_is_made_when_there_is_something_to_compare(
    tmp_path: Path, pictures: int, inputs: int, asked: bool, there: bool
) -> None:
    made = [Made((a_picture(n),), n) for n in range(pictures)]
    record = write(tmp_path, a_spec({"grid": asked}), made, {f"image{n}": a_picture() for n in range(inputs)})
    assert (tmp_path / "grid.png").exists() == (record.grid is not None) == there


@pytest.mark.parametrize("name", ["", "../x", "a/b", "a.b", ".x", "1", "a\n", "x" * 101])
def test_a_name_that_is_none_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="no name of an input"):
        write(tmp_path / "run", a_spec(), [], {name: a_picture()})
    assert {p.name for p in tmp_path.rglob("*")} == {"run", "run.json"}


def test_a_sheet_of_mixed_sizes_cuts_and_overlaps_nothing() -> None:
    sizes = [(320, 200), (200, 320), (90, 60), (1000, 100), (64, 64)]
    colours = [(255, 0, 0), (0, 160, 0), (0, 0, 255), (200, 0, 200), (0, 160, 160)]
    tiles = [(f"tile {n}", Image.new("RGB", s, c)) for n, (s, c) in enumerate(zip(sizes, colours, strict=True))]
    page = sheet(tiles, 3)
    boxes = []
    for (width, height), colour in zip(sizes, colours, strict=True):
        flat = ImageChops.difference(page, Image.new("RGB", page.size, colour)).convert("L").point(lambda v: not v, "1")
        box = flat.getbbox()
        assert box is not None
        w, h = box[2] - box[0], box[3] - box[1]
        assert abs(w / h - width / height) < 0.05 * width / height
        boxes.append(box)
    for number, one in enumerate(boxes):
        for other in boxes[number + 1 :]:
            assert one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]


@pytest.mark.parametrize(
    ("count", "size", "columns"), [(1, (1, 1), None), (400, (512, 512), None), (7, (8192, 16), 2), (3, (8, 4096), 9)]
)
def test_a_sheet_stays_a_size_that_can_be_opened(count: int, size: tuple[int, int], columns: int | None) -> None:
    page = sheet([("seed 123456789012345678", Image.new("RGB", size, "red"))] * count, columns)
    assert max(page.size) <= MAX_SIDE


def test_a_label_is_cut_to_its_cell_and_cannot_break_a_line() -> None:
    tiles = [("x" * 300, a_picture()), ("a\nb\x1b[31m\u202e", a_picture())]
    page = sheet(tiles)
    assert page.getpixel((12 + 192 + 6, page.height - 20)) == (250, 250, 248)
    for bad in ([], [("a", a_picture())]):
        with pytest.raises(ValueError, match="at least one"):
            sheet(bad, 0)


# An earlier run in the same place


def test_an_earlier_run_is_cleared_of_all_it_wrote_and_of_nothing_else(tmp_path: Path) -> None:
    made = [Made((a_picture(n),), n) for n in range(2)]
    write(tmp_path, a_spec(), [*made, an_animation(2)], {"mask": a_picture(), "control_depth": a_picture()})
    (tmp_path / "notes.txt").write_text("mine")
    assert (tmp_path / "inputs").is_dir()
    write(tmp_path, a_spec(), [])
    assert {p.name for p in tmp_path.iterdir()} == {"notes.txt", "run.json"}
    write(tmp_path, a_spec(), [], {"mask": a_picture()})
    (tmp_path / "inputs" / "other.png").write_text("mine")
    write(tmp_path, a_spec(), [])
    assert [p.name for p in (tmp_path / "inputs").iterdir()] == ["other.png"]


def test_a_strangers_record_removes_nothing_that_a_run_does_not_write(tmp_path: Path) -> None:
    outside, run = tmp_path / "outside", tmp_path / "run"
    (outside / "inputs").mkdir(parents=True)
    run.mkdir()
    kept = [outside / "000.png", outside / "inputs" / "mask.png", run / "run.log", run / "thesis.json", run / "..png"]
    for path in kept:
        path.write_text("mine")
    record = write(tmp_path / "other", a_spec(), [Made((a_picture(),), 0)], {"mask": a_picture()})
    output = record.outputs[0]
    record.outputs = [output.model_copy(update={"file": name}) for name in ("run.log", "000.png", "thesis.json")]
    record.write(run)
    (run / "000.png").symlink_to(outside / "000.png")
    (run / "inputs").symlink_to(outside / "inputs")
    write(run, a_spec(), [], {"mask": a_picture()})
    assert [path.read_text() for path in kept] == ["mine"] * len(kept)
    assert not (run / "000.png").exists()
    assert not (run / "inputs").is_symlink() and (run / "inputs" / "mask.png").exists()


def test_a_linked_record_is_removed_and_not_followed(tmp_path: Path) -> None:
    theirs, mine = tmp_path / "theirs", tmp_path / "mine"
    write(theirs, a_spec(), [Made((a_picture(),), 0)])
    before = (theirs / "run.json").read_bytes()
    mine.mkdir()
    (mine / "run.json").symlink_to(theirs / "run.json")
    (mine / "000.png").write_text("mine")
    write(mine, a_spec(), [])
    assert (theirs / "run.json").read_bytes() == before
    assert not (mine / "run.json").is_symlink()
    assert (mine / "000.png").read_text() == "mine"


def test_a_pipe_in_place_of_a_file_keeps_nobody_waiting(tmp_path: Path) -> None:
    for name in ("run.json", "000.png"):
        os.mkfifo(tmp_path / name)
    with pytest.raises(RecordError, match="is not a file"):
        document.read(tmp_path)
    with pytest.raises(RecordError, match="is not a file"):
        read_recipe(tmp_path / "000.png")
    assert write(tmp_path, a_spec(), []).status == "done"


# Strangers' files


@functools.cache
def a_file(format: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        out = write(Path(folder), a_spec({"format": format}), [Made((a_picture(0, (16, 16)),), 7)]).outputs[0]
        return Path(folder, out.file).read_bytes()


def refused(path: Path) -> str:
    with pytest.raises(RecordError) as caught:
        read_recipe(path)
    message = str(caught.value)
    assert message.isprintable() and len(message) < 600 + len(str(path))
    return message


@pytest.mark.parametrize("format", ["png", "jpeg", "webp"])
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_whatever_the_bytes_reading_ends_in_a_recipe_or_a_record_error(format: str, data: st.DataObject) -> None:
    mutated = bytearray(a_file(format))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(mutated)))
        mutated[at : at + data.draw(st.integers(0, 9))] = data.draw(st.binary(max_size=9))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"000.{format}")
        path.write_bytes(mutated[: data.draw(st.integers(0, len(mutated)))])
        for read in (read_recipe, lambda p: list(frames_of(p))):
            try:
                read(path)
            except RecordError as error:
                assert str(error).isprintable()


@settings(max_examples=60, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["spec", "lock", "seed"]) | st.text(), inner),
    )
)
def test_whatever_the_json_a_sidecar_ends_in_a_record_error(value: object) -> None:
    import json

    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "000.json").write_text(json.dumps(value))
        refused(Path(folder, "000.json"))


def png_with(chunk: bytes) -> bytes:
    whole = a_file("png")
    start = whole.index(b"iTXtparameters") - 4
    return (
        whole[:start] + len(chunk).to_bytes(4, "big") + b"iTXt" + chunk + zlib.crc32(b"iTXt" + chunk).to_bytes(4, "big")
    )


GOOD = recipe_json(a_spec(), LOCK, 7)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "EOF"),
        ("[" * 100_000, "recursion"),
        ('{"a":' * 100_000, "recursion"),
        ("NaN", "expected"),
        (GOOD.replace('"seed":7', '"seed":' + "9" * 5000), "out of range"),
        (GOOD.replace('"seed":7', '"seed":' + "9" * 19), "seed"),
        (GOOD.replace('"seed":7', '"seed":true'), "seed"),
        (GOOD.replace('"seed":7', '"seed":-1'), "seed"),
        (GOOD.replace('"schema_version":1', '"schema_version":2'), "schema_version"),
        (GOOD.replace('"spec":{', '"\\u001b[31m\\n":1,"spec":{', 1), "Extra"),
        (GOOD.replace('"role":"base"', '"role":{}'), "lock"),
    ],
)
def test_a_recipe_that_is_none_says_why(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "000.png"
    path.write_bytes(png_with(b"tcdflow\0\1\0\0\0" + zlib.compress(text.encode())))
    assert said in refused(path)
    path.write_bytes(png_with(b"tcdflow\0\0\0\0\0" + text.encode()))
    assert said in refused(path)


def test_bombs_and_broken_chunks_are_told_and_cost_little(tmp_path: Path) -> None:
    path = tmp_path / "000.png"
    bomb = zlib.compress(b" " * 200_000_000, 1)
    path.write_bytes(png_with(b"tcdflow\0\1\0\0\0" + bomb))
    began = time.perf_counter()
    assert "larger than" in refused(path)
    assert time.perf_counter() - began < 2
    path.write_bytes(png_with(b"tcdflow\0\1\0\0\0" + zlib.compress(GOOD.encode())[:-9]))
    assert "cut short" in refused(path)
    path.write_bytes(png_with(b"tcdflow\0\1\0\0\0" + b"\xff" * 50))
    assert "damaged" in refused(path)
    for chunk in (b"tcdflow", b"tcdflow\0", b"tcdflow\0\1", b"tcdflow\0\7\0\0\0x", b"tcdflow\0\1\0\0"):
        path.write_bytes(png_with(chunk))
        assert "malformed" in refused(path)
    path.write_bytes(a_file("png").replace(b"iTXttcdflow\0\1", b"iTXttcdflow\0\0"))
    assert "checksum" in refused(path)
    path.write_bytes(b"MZ" + bytes(100))
    assert "is no PNG" in refused(path)
    assert "is not a file" in refused(tmp_path)
    assert "No such file" in refused(tmp_path / "a\n\x1b[31m.png")


def test_pictures_of_other_tools_carry_no_recipe(tmp_path: Path) -> None:
    info = PngImagePlugin.PngInfo()
    info.add_text("parameters", "a fox\nSteps: 4, Seed: 1")
    a_picture().save(tmp_path / "a.png", pnginfo=info)
    a_picture().save(tmp_path / "a.jpg", comment="tcdflow", exif=b"Exif\0\0MM\0*", xmp=b"<x/>")
    a_picture().save(tmp_path / "a.webp")
    a_picture().save(tmp_path / "a.gif")
    for path in tmp_path.iterdir():
        assert "carries no recipe" in refused(path)


def test_an_xmp_packet_that_another_tool_wrote_anew_is_still_read(tmp_path: Path) -> None:
    from tcdflow.record.embed import exif_and_xmp

    packet = exif_and_xmp(Carried.of(a_spec(), LOCK, 7))[0]["xmp"].decode()
    word = packet.partition('tcdflow:recipe="')[2].partition('"')[0]
    anew = packet.replace(
        f' tcdflow:recipe="{word}"/>', f">\n<tcdflow:recipe>{word}</tcdflow:recipe></rdf:Description>"
    )
    assert anew != packet
    buffer = io.BytesIO()
    a_picture().save(buffer, format="JPEG", xmp=anew.encode())
    (tmp_path / "a.jpg").write_bytes(buffer.getvalue())
    assert read_recipe(tmp_path / "a.jpg")["seed"] == 7


def test_a_video_that_cannot_be_encoded_gives_ffmpegs_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tcdflow.record import mp4

    monkeypatch.setitem(mp4._ENCODE, "-preset", "sideways")
    with pytest.raises(OutputError, match="ffmpeg: ") as caught:
        write(tmp_path, a_spec({"animation": "mp4"}), [an_animation(40, size=(512, 512))])
    assert str(caught.value).isprintable()
    assert {p.name for p in tmp_path.iterdir()} == {"run.json"}


def test_a_playlist_named_like_a_video_reads_nothing_else(tmp_path: Path) -> None:
    write(tmp_path, a_spec({"animation": "mp4"}), [an_animation(2)])
    lure = tmp_path / "lure.mp4"
    lure.write_text(f"#EXTM3U\n#EXTINF:1,\n{tmp_path / 'animation.mp4'}\n#EXT-X-ENDLIST\n")
    with pytest.raises(RecordError, match="is no MP4 video"):
        list(frames_of(lure))


@pytest.mark.parametrize("name", ["a.png", "a.mp4"])
def test_frames_of_what_is_no_picture(tmp_path: Path, name: str) -> None:
    with pytest.raises(RecordError):
        list(frames_of(tmp_path / name))
    (tmp_path / name).write_bytes(b"no picture at all")
    with pytest.raises(RecordError) as caught:
        list(frames_of(tmp_path / name))
    assert str(caught.value).isprintable()


# Cost


def test_writing_a_png_imports_nothing_heavy(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; from tests.unit.test_outputs import *; "
        "write(pathlib.Path(sys.argv[1]), a_spec(), [Made((a_picture(),), 7)]); "
        "print([m for m in ('torch', 'numpy', 'imageio', 'imageio_ffmpeg') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
