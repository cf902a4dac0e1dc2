"""AVIF. That its recipe comes back, its bytes are repeated and damage is told, the tests of all formats see."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image, ImageChops

from tcdflow.config.compose import Composer
from tcdflow.errors import RecordError
from tcdflow.files.image_header import check_image
from tcdflow.files.images import resolve_image
from tcdflow.inputs.decode import decode
from tcdflow.parts.formats import avif
from tcdflow.record.metadata import read_recipe
from tcdflow.record.pixels import frames_of
from tcdflow.record.recipe import texts_of
from tcdflow.record.sample import Sample
from tcdflow.spec.formats import IMAGE_FORMATS
from tests.quick.record.outputs import LOCK, a_spec, an_image, write


def test_it_is_an_option(composer: Composer) -> None:
    output = composer.compose(["output=avif"]).spec.output
    assert (output.format, output.quality, output.metadata) == ("avif", 95, "full")


def test_the_a1111_text_is_where_galleries_look(tmp_path: Path) -> None:
    out = write(tmp_path, a_spec({"format": "avif"}), [Sample((an_image(),), 7)]).outputs[0]
    assert (out.file, out.sidecar) == ("000.avif", None)
    with Image.open(tmp_path / out.file) as image:
        comment = image.getexif().get_ifd(0x8769)[0x9286]
    assert isinstance(comment, bytes)
    assert comment == b"UNICODE\0" + texts_of(a_spec(), LOCK, 7).parameters.encode("utf-16-be")


def test_a_long_recipe_fits(tmp_path: Path) -> None:
    spec = a_spec({"format": "avif"}, prompt="狐" * 20_000)
    out = write(tmp_path, spec, [Sample((an_image(),), 7)]).outputs[0]
    assert out.sidecar is None
    assert read_recipe(tmp_path / out.file)["spec"]["prompt"] == spec.prompt


@pytest.mark.parametrize(("quality", "levels"), [(50, 12), (95, 6), (100, 3)])
def test_pixels_are_as_near_as_is_said_and_never_all_the_same(quality: int, levels: int) -> None:
    data = IMAGE_FORMATS["avif"].encode(an_image(), None, quality).data
    (image,) = IMAGE_FORMATS["avif"].frames(io.BytesIO(data))
    off = max(high for _, high in ImageChops.difference(image, an_image()).getextrema())  # type: ignore[misc]
    assert 0 < off <= levels


def test_bytes_do_not_depend_on_the_number_of_threads(tmp_path: Path) -> None:
    code = (
        "import sys, os; from PIL import Image, AvifImagePlugin; from tcdflow.spec.formats import IMAGE_FORMATS; "
        "AvifImagePlugin.DEFAULT_MAX_THREADS = int(sys.argv[1]); "
        "image = Image.radial_gradient('L').resize((512, 512)).convert('RGB'); "
        "sys.stdout.buffer.write(IMAGE_FORMATS['avif'].encode(image, None, 90).data)"
    )
    one, eight = (subprocess.check_output([sys.executable, "-c", code, threads]) for threads in ("1", "8"))
    assert one == eight and len(one) > 1000


@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_input_may_be_turned(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    an_image(size=(12, 9)).save(tmp_path / "in.avif", exif=exif)
    assert check_image(tmp_path / "in.avif") == decode(tmp_path / "in.avif").image.size
    assert decode(tmp_path / "in.avif").image.size == ((12, 9) if orientation < 5 else (9, 12))
    assert resolve_image("task.image", str(tmp_path / "in.avif")).files == ("in.avif",)


@pytest.mark.parametrize("brand", [b"avif", b"avis", b"mif1"])
def test_a_damaged_one_is_one_message(tmp_path: Path, brand: bytes) -> None:
    path = tmp_path / "000.avif"
    path.write_bytes(b"\0\0\0\x1cftyp" + brand + b"\0\0\0\0avifmif1miaf" + b"\xff" * 100)
    for read in (read_recipe, lambda path: list(frames_of(path))):
        with pytest.raises(RecordError, match="begins like AVIF but cannot be read"):
            read(path)


def test_a_file_that_no_run_makes_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "000.avif"
    with path.open("wb") as file:
        file.write(b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf")
        file.truncate(avif.MAX_FILE + 1)
    for read in (read_recipe, lambda path: list(frames_of(path))):
        with pytest.raises(RecordError, match="more than any run makes"):
            read(path)
