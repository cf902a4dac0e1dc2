"""Images, and what a run costs to write."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tcdflow.errors import RecordError
from tcdflow.files.lock import LockedFile
from tcdflow.record import document
from tcdflow.record.metadata import read_recipe
from tcdflow.record.pixels import pixel_sha256
from tcdflow.record.recipe import texts_of
from tcdflow.record.rundir import RunDirectory
from tcdflow.record.sample import Sample
from tcdflow.spec.formats import IMAGE_FORMATS
from tcdflow.spec.model import RunSpec
from tests.quick.record.outputs import LOCK, MOVING, STILLS, a_spec, an_animation, an_image, write


@pytest.mark.parametrize("output", STILLS.values(), ids=STILLS)
def test_every_format_of_a_image_brings_its_recipe_back(tmp_path: Path, output: dict[str, Any]) -> None:
    spec = a_spec(output)
    record = write(tmp_path, spec, [Sample((an_image(n),), 7 + n) for n in range(2)])
    suffix = IMAGE_FORMATS[output["format"]].suffix
    assert [o.file for o in record.outputs] == [f"000{suffix}", f"001{suffix}"]
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
    out = write(tmp_path, a_spec(STILLS[name]), [Sample((an_image(),), 0)]).outputs[0]
    assert out.pixel_sha256 == pixel_sha256(an_image())


@pytest.mark.parametrize("format", ["png", "jpeg", "webp"])
def test_the_a1111_text_is_where_galleries_look(tmp_path: Path, format: str) -> None:
    out = write(tmp_path, a_spec({"format": format}), [Sample((an_image(),), 7)]).outputs[0]
    with Image.open(tmp_path / out.file) as image:
        if format == "png":
            text = image.info["parameters"]
        else:
            comment = image.getexif().get_ifd(0x8769)[0x9286]
            assert isinstance(comment, bytes) and comment.startswith(b"UNICODE\0")
            text = comment[8:].decode("utf-16-be")
    assert text == texts_of(a_spec(), LOCK, 7).parameters
    assert text.startswith("a fox, 狐 🦊") and "Seed: 7" in text


@pytest.mark.parametrize("output", STILLS.values(), ids=STILLS)
def test_none_leaves_nothing_inside(tmp_path: Path, output: dict[str, Any]) -> None:
    dirty = an_image().copy()
    dirty.info = {"comment": b"secret", "icc_profile": b"secret", "exif": b"secret", "xmp": b"secret", "dpi": (9, 9)}
    record = write(tmp_path, a_spec({**output, "metadata": "none"}), [Sample((dirty,), 7)], {"mask": dirty})
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
def test_a_recipe_that_is_too_long_goes_beside_the_image(tmp_path: Path, format: str, length: int) -> None:
    noise = random.Random(0).randbytes(length // 2).hex()
    with RunDirectory.open(tmp_path, a_spec({"format": format})) as run:
        run.lock([LOCK[0].model_copy(update={"source": noise})])
        run.save([Sample((an_image(),), 7)])
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
    out = write(tmp_path, spec, [Sample((an_image(),), 7)]).outputs[0]
    assert out.sidecar is None
    assert read_recipe(tmp_path / out.file)["spec"]["prompt"] == spec.prompt
    long = spec.model_copy(update={"negative_prompt": "狐" * 20_000})
    out = write(tmp_path, long, [Sample((an_image(),), 7)]).outputs[0]
    assert read_recipe(tmp_path / out.file)["spec"]["negative_prompt"] == long.negative_prompt


def test_the_same_frames_give_the_same_bytes_in_every_timezone(tmp_path: Path) -> None:
    def all_files(directory: Path, zone: str) -> dict[str, bytes]:
        before = os.environ.get("TZ")
        os.environ["TZ"] = zone
        time.tzset()
        try:
            for output in (*STILLS.values(), *MOVING.values()):
                made = [Sample((an_image(),), 7), an_animation(4)]
                name = "-".join(str(value) for value in output.values())
                write(directory / name, a_spec(output), made, {"control_canny": an_image(1)})
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


def test_writing_a_png_imports_nothing_heavy(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; from tests.quick.record.outputs import *; "
        "write(pathlib.Path(sys.argv[1]), a_spec(), [Sample((an_image(),), 7)]); "
        "print([m for m in ('torch', 'numpy', 'imageio', 'av') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
