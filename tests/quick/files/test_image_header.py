"""What an input image is, told by its bytes: its size as the eye sees it, and what they are where they are no image."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, PngImagePlugin

from tcdflow.files.image_header import check_image
from tests.quick.files.images import KNOWN, PNG, complaint, encoded


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_size_is_that_of_the_loaded_image(tmp_path: Path, kind: str, orientation: int) -> None:
    from tcdflow.inputs.decode import decode

    (tmp_path / "in").write_bytes(encoded(kind, orientation=orientation))
    size = check_image(tmp_path / "in")
    assert size == decode(tmp_path / "in").image.size == ((12, 9) if orientation < 5 else (9, 12))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_an_orientation_in_xmp(tmp_path: Path, kind: str) -> None:
    from tcdflow.inputs.decode import decode

    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><tiff:Orientation>6</tiff:Orientation></x:xmpmeta>'
    info = PngImagePlugin.PngInfo()
    info.add_itxt("XML:com.adobe.xmp", xmp.decode())
    options: dict[str, dict[str, Any]] = {"PNG": {"pnginfo": info}, "TIFF": {"tiffinfo": {700: xmp}}}
    Image.new("RGB", (12, 9)).save(tmp_path / "in", kind, **options.get(kind, {"xmp": xmp}))
    assert check_image(tmp_path / "in") == decode(tmp_path / "in").image.size == (9, 12)


@pytest.mark.parametrize("kind", ["BMP", "GIF", "MPO"])
def test_formats_without_orientation(tmp_path: Path, kind: str) -> None:
    (tmp_path / "in").write_bytes(encoded(kind))
    assert check_image(tmp_path / "in") == (12, 9)


def test_pixels_are_not_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def decode(*_: object) -> None:
        raise AssertionError("decoded")

    for kind in ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF"):
        (tmp_path / kind).write_bytes(encoded(kind))
        with monkeypatch.context() as patch:
            patch.setattr("PIL.ImageFile.ImageFile.load", decode)
            assert check_image(tmp_path / kind) == (12, 9)


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "is empty"),
        (b"hello", f"is not an image in a known format ({KNOWN})"),
        (b"\n <!DOCTYPE html><html>", "it looks like HTML"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "it looks like SVG"),
        (b"%PDF-1.7", "it looks like PDF"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "it looks like PostScript"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "Git LFS pointer"),
        (b"8BPS\0\1\0\0", "it looks like PSD; export it as PNG"),
        (b"gimp xcf v011", "it looks like XCF; export it as PNG"),
        (b"v/1\1\2\0\0\0", "it looks like OpenEXR"),
        (b"#?RADIANCE\n", "it looks like Radiance HDR"),
        (b"\xff\n\0\0", "it looks like JPEG XL"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "it looks like JPEG XL"),
        (b"\0\0\0\x1cftypheic\0\0\0\0mif1heic", "it looks like HEIC"),
        (PNG[:20], "Truncated"),
        (encoded("JPEG")[:30], "Truncated"),
        (encoded("JPEG")[:2], "begins like JPEG but cannot be read"),
        (b"\x89PNG" + PNG[5:], "begins like PNG but cannot be read"),
    ],
)
def test_says_what_the_bytes_are_not(tmp_path: Path, content: bytes, what: str) -> None:
    (tmp_path / "in.png").write_bytes(content)
    assert what in complaint(str(tmp_path / "in.png"))


@pytest.mark.parametrize("size", [(8193, 8192), (9500, 9500), (30000, 30000), (1, 2**31 - 1)])
def test_a_bomb(tmp_path: Path, recwarn: pytest.WarningsRecorder, size: tuple[int, int]) -> None:
    small = io.BytesIO()
    Image.new("1", (1, 1)).save(small, "BMP")
    header = bytearray(small.getvalue())
    header[18:26] = size[0].to_bytes(4, "little") + size[1].to_bytes(4, "little")
    (tmp_path / "bomb.bmp").write_bytes(header)
    assert "64 megapixels" in complaint(str(tmp_path / "bomb.bmp"))
    assert not recwarn.list


def test_the_largest_side_of_a_run_is_allowed(tmp_path: Path) -> None:
    Image.new("1", (8192, 8192)).save(tmp_path / "large.png")
    assert check_image(tmp_path / "large.png") == (8192, 8192)
