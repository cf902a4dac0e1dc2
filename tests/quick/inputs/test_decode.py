"""Input images as the eye sees them, held against arithmetic where Pillow's plain conversion is wrong."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageCms, TiffImagePlugin

from tcdflow.errors import SourceError
from tcdflow.files.image_header import check_image
from tcdflow.inputs.decode import decode, notes
from tests.quick.inputs import profiles

RAMP = bytes(range(256))
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def colours(*pixels: tuple[int, ...], mode: str = "RGB") -> Image.Image:
    """An image one pixel high."""
    return Image.frombytes(mode, (len(pixels), 1), bytes(value for pixel in pixels for value in pixel))


def saved(image: Image.Image, path: Path, **options: Any) -> Path:
    image.save(path, **options)
    return path


def pixels(path: Path, *args: Any) -> list[tuple[int, ...]]:
    made = decode(path, *args)
    assert made.image.mode == "RGB"
    assert made.notes == notes(path, *args), "the header tells as much"
    data = made.image.tobytes()
    return [tuple(data[start : start + 3]) for start in range(0, len(data), 3)]


def greys(path: Path) -> list[int]:
    found = pixels(path)
    assert all(len(set(pixel)) == 1 for pixel in found)
    return [pixel[0] for pixel in found]


def deep(values: list[float], kind: str) -> Image.Image:
    letter, mode = {"I;16": ("<H", "I;16"), "I": ("<i", "I"), "F": ("<f", "F")}[kind]
    return Image.frombytes(mode, (len(values), 1), b"".join(struct.pack(letter, value) for value in values))


class TestDepth:
    @pytest.mark.parametrize("name", ["in.png", "in.tif"])
    def test_sixteen_bits_are_scaled(self, tmp_path: Path, name: str) -> None:
        path = saved(deep([257 * value for value in range(256)], "I;16"), tmp_path / name)
        assert greys(path) == list(range(256))
        assert notes(path) == ()

    def test_to_the_nearest(self, tmp_path: Path) -> None:
        assert greys(saved(deep([128, 129, 65535], "I;16"), tmp_path / "in.png")) == [0, 1, 255]

    def test_big_endian(self, tmp_path: Path) -> None:
        info = TiffImagePlugin.ImageFileDirectory_v2(prefix=b"MM")
        image = Image.frombytes("I;16B", (2, 1), struct.pack(">HH", 0, 65535))
        image.save(tmp_path / "in.tif", tiffinfo=info)
        assert greys(tmp_path / "in.tif") == [0, 255]

    def test_turned(self, tmp_path: Path) -> None:
        exif = Image.Exif()
        exif[0x0112] = 6
        path = saved(deep([0, 65535], "I;16"), tmp_path / "in.png", exif=exif)
        assert decode(path).image.size == check_image(path) == (1, 2)

    def test_a_value_that_stands_for_transparent(self, tmp_path: Path) -> None:
        path = saved(deep([0, 65535], "I;16"), tmp_path / "in.png", transparency=65535)
        assert greys(path) == [0, 255]

    def test_a_faint_one_is_told_of(self, tmp_path: Path) -> None:
        path = saved(deep([0, 5000], "I;16"), tmp_path / "in.png")
        assert greys(path) == [0, 19]
        assert "goes up to 5000 of 65535 only" in notes(path)[0]

    @pytest.mark.parametrize(
        ("kind", "values", "expected", "told"),
        [
            ("F", [0.0, 0.5, 1.0], [0, 128, 255], "0 is black and 1 is white"),
            ("F", [0.0, 100.7, 255.0], [0, 100, 255], "0 is black and 255 is white"),
            ("F", [0.0, 65535.0], [0, 255], "0 is black and 65535 is white"),
            ("F", [-2.0, 0.0, 2.0], [0, 128, 255], "-2 is black and 2 is white"),
            ("F", [0.0, 1e6], [0, 255], "0 is black and 1e+06 is white"),
            ("F", [-3.0, -3.0], [0, 0], "-3 is black and -3 is white"),
            ("I", [0, 7, 200], [0, 7, 200], "0 is black and 255 is white"),
            ("I", [0, 65535], [0, 255], "0 is black and 65535 is white"),
            ("I", [-10, 0, 10], [0, 128, 255], "-10 is black and 10 is white"),
        ],
    )
    def test_thirty_two_bits(
        self, tmp_path: Path, kind: str, values: list[float], expected: list[int], told: str
    ) -> None:
        path = saved(deep(values, kind), tmp_path / "in.tif")
        assert greys(path) == expected
        assert notes(path)[0].endswith(told)

    @pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
    def test_what_is_no_number(self, tmp_path: Path, value: float) -> None:
        path = saved(deep([0.0, value, 1.0], "F"), tmp_path / "in.tif")
        with pytest.raises(SourceError, match="infinite or undefined numbers"):
            decode(path)


class TestTransparency:
    @pytest.mark.parametrize(("behind", "clear"), [("white", 255), ("black", 0)])
    def test_what_is_behind_shows(self, tmp_path: Path, behind: Any, clear: int) -> None:
        image = colours((10, 20, 30, 255), (10, 20, 30, 0), (10, 20, 30, 51), (9, 9, 9, 255), mode="RGBA")
        found = pixels(saved(image, tmp_path / "in.png"), behind)
        assert found[0] == (10, 20, 30)
        assert found[1] == (clear,) * 3
        for value, colour in zip(found[2], (10, 20, 30), strict=True):
            assert abs(value - (0.2 * colour + 0.8 * clear)) <= 1
        (told,) = notes(tmp_path / "in.png", behind)
        assert told == f"is transparent in 50 % of its pixels, which shows {behind} there"

    @pytest.mark.parametrize(
        "save",
        [
            lambda path: colours((7, 0), (7, 255), mode="LA").save(path),
            lambda path: colours((0, 0, 0), (7, 7, 7)).quantize(2).save(path, transparency=bytes([255, 0])),
            lambda path: colours((9, 9, 9), (7, 7, 7)).save(path, transparency=(9, 9, 9)),
            lambda path: colours((9,), (7,), mode="L").save(path, transparency=9),
        ],
    )
    def test_of_every_kind(self, tmp_path: Path, save: Callable[[Path], None]) -> None:
        save(tmp_path / "in.png")
        assert (255, 255, 255) in pixels(tmp_path / "in.png")
        assert "transparent in 50 %" in notes(tmp_path / "in.png")[0]

    def test_an_opaque_one_is_as_it_was(self, tmp_path: Path) -> None:
        image = Image.frombytes("RGBA", (16, 16), bytes(v for n in RAMP for v in (n, 255 - n, n // 2, 255)))
        path = saved(image, tmp_path / "in.png")
        assert decode(path).image.tobytes() == image.convert("RGB").tobytes()
        assert notes(path) == ()


def expected_srgb(pixel: tuple[int, ...], matrix: Any) -> list[float]:
    """From linear light by the colours' own XYZ to that of sRGB, which is then encoded."""
    linear = [(value / 255) ** profiles.GAMMA for value in pixel]
    xyz = [sum(row[k] * linear[k] for k in range(3)) for row in matrix]
    red, green, blue = solved(profiles.SRGB, xyz)
    return [
        255 * (12.92 * v if v <= 0.0031308 else 1.055 * v ** (1 / 2.4) - 0.055)
        for v in (min(max(v, 0.0), 1.0) for v in (red, green, blue))
    ]


def solved(matrix: Any, right: list[float]) -> list[float]:
    """Cramer's rule."""

    def determinant(m: Any) -> float:
        (a, b, c), (d, e, f), (g, h, i) = m
        return float(a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g))

    columns = [[[right[r] if c == column else matrix[r][c] for c in range(3)] for r in range(3)] for column in range(3)]
    return [determinant(m) / determinant(matrix) for m in columns]


class TestColours:
    @pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
    def test_a_wide_profile_is_applied(self, tmp_path: Path, mode: str) -> None:
        given = [(200, 90, 60), (30, 160, 90), (128, 128, 128), (90, 80, 170)]
        image = colours(*given).quantize(4) if mode == "P" else colours(*given).convert(mode)
        path = saved(image, tmp_path / "in.png", icc_profile=profiles.rgb(profiles.DISPLAY_P3))
        for pixel, found in zip(given, pixels(path), strict=True):
            wanted = expected_srgb(pixel, profiles.DISPLAY_P3)
            assert all(abs(one - other) <= 1.5 for one, other in zip(found, wanted, strict=True)), (found, wanted)
        assert pixels(path)[0] != given[0]
        assert notes(path) == ()

    @pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP"])
    def test_srgb_changes_no_bit(self, tmp_path: Path, kind: str) -> None:
        image = Image.merge("RGB", [Image.linear_gradient("L"), Image.radial_gradient("L"), Image.new("L", (256, 256))])
        path = saved(image, tmp_path / "in", format=kind, icc_profile=SRGB)
        with Image.open(path) as plain:
            assert decode(path).image.tobytes() == plain.convert("RGB").tobytes()
        assert notes(path) == ()

    def test_a_linear_grey_is_brightened(self, tmp_path: Path) -> None:
        path = saved(colours((0,), (55,), (255,), mode="L"), tmp_path / "in.png", icc_profile=profiles.grey())
        assert [abs(a - b) <= 1 for a, b in zip(greys(path), (0, 128, 255), strict=True)] == [True] * 3

    def test_a_grey_image_with_the_profile_of_its_editor(self, tmp_path: Path) -> None:
        image = colours((10,), (200,), mode="L")
        assert greys(saved(image, tmp_path / "in.png", icc_profile=SRGB)) == [10, 200]

    def test_a_mask_is_taken_as_it_is(self, tmp_path: Path) -> None:
        path = saved(colours((55,), mode="L"), tmp_path / "in.png", icc_profile=profiles.grey())
        assert decode(path, managed=False).image.getpixel((0, 0)) == (55, 55, 55)

    def test_a_press(self, tmp_path: Path) -> None:
        image = colours((0, 0, 0, 0), (255, 255, 0, 0), (0, 0, 0, 255), mode="CMYK")
        path = saved(image, tmp_path / "in.tif", icc_profile=profiles.cmyk())
        assert pixels(path) == [(255, 255, 255), (255, 255, 255), (0, 0, 0)]
        assert notes(path) == ()

    def test_cmyk_without_a_profile_is_a_guess(self, tmp_path: Path) -> None:
        image = colours((0, 0, 0, 0), (0, 255, 255, 0), mode="CMYK")
        path = saved(image, tmp_path / "in.tif")
        assert pixels(path) == [(255, 255, 255), (255, 0, 0)]
        assert "CMYK without a colour profile" in notes(path)[0]

    @pytest.mark.parametrize("name", ["in.jpg"])
    def test_cmyk_of_a_jpeg(self, tmp_path: Path, name: str) -> None:
        """Adobe's programs, and all after them, write it inverted; Pillow turns it around."""
        path = saved(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), tmp_path / name, quality=100)
        assert all(abs(a - b) <= 3 for a, b in zip(pixels(path)[0], (255, 0, 0), strict=True))

    def test_lab(self, tmp_path: Path) -> None:
        lab = Image.frombytes("LAB", (3, 1), bytes([255, 0, 0, 0, 0, 0, 137, 0, 0]))
        for pixel, grey in zip(pixels(saved(lab, tmp_path / "in.tif")), (255, 0, 128), strict=True):
            assert all(abs(value - grey) <= 2 for value in pixel)

    @pytest.mark.parametrize("profile", [b"nonsense", SRGB[:200], profiles.cmyk(), profiles.grey()])
    def test_a_profile_that_does_not_fit(self, tmp_path: Path, profile: bytes) -> None:
        path = saved(colours((1, 2, 3)), tmp_path / "in.png", icc_profile=profile)
        assert pixels(path) == [(1, 2, 3)]
        assert "a colour profile that cannot be used" in notes(path)[0]


class TestKinds:
    @pytest.mark.parametrize("name", ["in.gif", "in.png", "in.webp", "in.tif"])
    def test_the_first_of_several_frames(self, tmp_path: Path, name: str) -> None:
        first, second = Image.new("RGB", (4, 4), (255, 0, 0)), Image.new("RGB", (4, 4), (0, 255, 0))
        path = saved(first, tmp_path / name, save_all=True, append_images=[second], lossless=True)
        assert pixels(path)[0] == (255, 0, 0)
        assert notes(path) == ("has several frames or pages; the first is taken",)

    def test_the_preview_of_a_photo_is_none(self, tmp_path: Path) -> None:
        image = Image.new("RGB", (8, 8))
        assert notes(saved(image, tmp_path / "in.jpg", format="MPO", save_all=True, append_images=[image])) == ()

    @pytest.mark.parametrize(("code", "told"), [(16, True), (18, True), (13, False), (1, False)])
    def test_hdr(self, tmp_path: Path, code: int, told: bool) -> None:
        data = saved(colours((1, 2, 3)), tmp_path / "in.png").read_bytes()
        chunk = b"cICP" + bytes([9, code, 0, 1])
        chunk = struct.pack(">I", 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
        (tmp_path / "in.png").write_bytes(data[:33] + chunk + data[33:])
        found = notes(tmp_path / "in.png")
        assert any("is HDR" in note for note in found) == told
        assert pixels(tmp_path / "in.png") == [(1, 2, 3)]

    def test_hdr_of_an_avif(self, tmp_path: Path) -> None:
        path = saved(Image.new("RGB", (16, 16)), tmp_path / "in.avif")
        data = bytearray(path.read_bytes())
        at = data.index(b"colrnclx")
        assert notes(path) == ()
        data[at + 10 : at + 12] = (16).to_bytes(2, "big")
        path.write_bytes(data)
        assert "is HDR (PQ)" in notes(path)[0]

    @pytest.mark.parametrize("tags", [{50706: b"\1\4\0\0"}, {254: 1, 330: 8}])
    def test_the_preview_in_a_raw_file_is_not_taken_for_it(self, tmp_path: Path, tags: dict[int, Any]) -> None:
        info = TiffImagePlugin.ImageFileDirectory_v2()
        for tag, value in tags.items():
            info[tag] = value
        path = saved(colours((1, 2, 3)), tmp_path / "in.dng", format="TIFF", tiffinfo=info)
        with pytest.raises(SourceError, match="a camera's raw file"):
            decode(path)
