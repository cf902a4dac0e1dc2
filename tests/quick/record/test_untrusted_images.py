"""Images that may come from anyone: a recipe, or one message."""

from __future__ import annotations

import functools
import io
import tempfile
import tracemalloc
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import PngImagePlugin

from tcdflow.errors import RecordError
from tcdflow.record.metadata import read_recipe
from tcdflow.record.pixels import frames_of
from tcdflow.record.recipe import recipe_json, texts_of
from tcdflow.record.sample import Sample
from tcdflow.spec.formats import ANIMATION_FORMATS, IMAGE_FORMATS
from tests.quick.record.outputs import LOCK, a_spec, an_animation, an_image, write


@functools.cache
def a_file(format: str) -> bytes:
    moves = format in ANIMATION_FORMATS
    made = an_animation(3, size=(32, 32)) if moves else Sample((an_image(0, (16, 16)),), 7)
    with tempfile.TemporaryDirectory() as folder:
        out = write(Path(folder), a_spec({"animation" if moves else "format": format}), [made]).outputs[0]
        return Path(folder, out.file).read_bytes()


def refused(path: Path) -> str:
    with pytest.raises(RecordError) as caught:
        read_recipe(path)
    message = str(caught.value)
    assert message.isprintable() and len(message) < 600 + len(str(path))
    return message


@pytest.mark.parametrize("format", [*IMAGE_FORMATS, *ANIMATION_FORMATS])
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
    tracemalloc.start()
    try:
        assert "larger than" in refused(path)
        assert tracemalloc.get_traced_memory()[1] < 100_000_000, "half of what the bomb holds"
    finally:
        tracemalloc.stop()
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
    assert "JPEG, MP4, PNG or WebP" in refused(path)
    assert "is not a file" in refused(tmp_path)
    assert "No such file" in refused(tmp_path / "a\n\x1b[31m.png")


def test_images_of_other_tools_carry_no_recipe(tmp_path: Path) -> None:
    info = PngImagePlugin.PngInfo()
    info.add_text("parameters", "a fox\nSteps: 4, Seed: 1")
    an_image().save(tmp_path / "a.png", pnginfo=info)
    an_image().save(tmp_path / "a.jpg", comment="tcdflow", exif=b"Exif\0\0MM\0*", xmp=b"<x/>")
    an_image().save(tmp_path / "a.webp")
    an_image().save(tmp_path / "a.gif")
    for path in tmp_path.iterdir():
        assert "carries no recipe" in refused(path)


def test_an_xmp_packet_that_another_tool_rewrote_is_still_read(tmp_path: Path) -> None:
    from tcdflow.parts.encoding.exif_xmp import exif_and_xmp

    packet = exif_and_xmp(texts_of(a_spec(), LOCK, 7))[0]["xmp"].decode()
    word = packet.partition('tcdflow:recipe="')[2].partition('"')[0]
    rewritten = packet.replace(
        f' tcdflow:recipe="{word}"/>', f">\n<tcdflow:recipe>{word}</tcdflow:recipe></rdf:Description>"
    )
    assert rewritten != packet
    buffer = io.BytesIO()
    an_image().save(buffer, format="JPEG", xmp=rewritten.encode())
    (tmp_path / "a.jpg").write_bytes(buffer.getvalue())
    assert read_recipe(tmp_path / "a.jpg")["seed"] == 7


def test_a_playlist_named_like_a_video_reads_nothing_else(tmp_path: Path) -> None:
    write(tmp_path, a_spec({"animation": "mp4"}), [an_animation(2)])
    lure = tmp_path / "lure.mp4"
    lure.write_text(f"#EXTM3U\n#EXTINF:1,\n{tmp_path / 'animation.mp4'}\n#EXT-X-ENDLIST\n")
    with pytest.raises(RecordError, match=r"is not in a known format .*MP4"):
        list(frames_of(lure))


@pytest.mark.parametrize("name", ["a.png", "a.mp4"])
def test_frames_of_what_is_no_image(tmp_path: Path, name: str) -> None:
    with pytest.raises(RecordError):
        list(frames_of(tmp_path / name))
    (tmp_path / name).write_bytes(b"no image at all")
    with pytest.raises(RecordError) as caught:
        list(frames_of(tmp_path / name))
    assert str(caught.value).isprintable()
