"""Shards: images and captions of tar files, of which nothing is run, unpacked or believed."""

from __future__ import annotations

import io
import json
import pickle
import tarfile
from pathlib import Path

import pytest
from PIL import Image

from tcdflow.config.distill import DistillComposer
from tcdflow.distill.example_file import image_file, source
from tcdflow.errors import ConfigError, SourceError
from tcdflow.inputs.decode import decode
from tcdflow.spec.data import Example

BASE = ("base=sd15", "data=shards")
RAN = "ran.txt"


class Evil:
    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return open, (RAN, "w")


def png(shade: int = 9) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), (shade, shade, shade)).save(buffer, "PNG")
    return buffer.getvalue()


def shard(path: Path, files: dict[str, bytes], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def examples(where: object) -> list[Example]:
    spec = DistillComposer().distillation([*BASE, f"data.shards={where}"]).spec
    return list(spec.data.examples(spec))


def refusal(where: object) -> str:
    with pytest.raises(ConfigError) as caught:
        examples(where)
    return str(caught.value)


def test_captions_are_found_by_name(tmp_path: Path) -> None:
    files = {
        "./a/0001.PNG": png(1), "./a/0001.txt": b" a fox\n", "./a/0001.json": b'{"caption": "not this"}',
        "0002.json": json.dumps({"url": "x", "text": "a dog"}).encode(), "0002.png": png(2), "0002.cls": b"7",
        "0003.seg.png": png(3), "0003.png": png(3), "0003.caption": b"a cat",
    }  # fmt: skip
    shard(tmp_path / "b.tar", files)
    shard(tmp_path / "a.tar", {"1.png": png(4), "1.txt": b"a bee"})
    found = examples(tmp_path)
    assert [(one.caption, one.name) for one in found] == [
        ("a bee", "1.png"), ("a fox", "./a/0001.PNG"), ("a dog", "0002.png"), ("a cat", "0003.png"),
    ]  # fmt: skip
    shades = []
    for one in found:
        with image_file(one) as file:
            shades.append(decode(file).image.getpixel((0, 0)))
    assert shades == [(n, n, n) for n in (4, 1, 2, 3)]
    assert len({source(one) for one in found}) == 4
    assert [one.caption for one in examples(f"{tmp_path}/a*.tar")] == ["a bee"]


def test_nothing_is_run_or_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    evil = pickle.dumps(Evil())
    files = {"../../1.png": png(), "../../1.txt": b"a fox", "1.pyd": evil, "1.pkl": evil, "1.pth": evil, "1.cls": evil}
    shard(tmp_path / "0.tar", files)
    with tarfile.open(tmp_path / "0.tar", "a") as tar:
        for kind, name in ((tarfile.SYMTYPE, "2.png"), (tarfile.LNKTYPE, "3.png"), (tarfile.FIFOTYPE, "4.png")):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            tar.addfile(info)
    (one,) = examples("0.tar")
    with image_file(one) as file:
        assert file.name == "image.png"
    assert {path.name for path in tmp_path.iterdir()} == {"0.tar"}
    assert refusal("pipe:touch ran.txt") and not Path(RAN).exists()


def test_what_is_wrong_is_one_line(tmp_path: Path) -> None:
    path = shard(tmp_path / "x.tar", {"1.png": png(), "1.txt": b"a fox"})
    whole = path.read_bytes()
    path.write_bytes(whole[:600])
    assert "x.tar: " in refusal(path)
    shard(path, {"1.png": png(), "1.txt": b"a fox"}, "w:gz")
    assert "compressed" in refusal(path)
    shard(path, {"1.png": png(), "1.jpg": png()})
    assert "x.tar: 1 has two images" in refusal(path)
    shard(path, {"1.png": png()})
    assert "1.png has no caption: write one into 1.txt, beside it" in refusal(path)
    shard(path, {"1.png": png(), "1.json": b'{"caption": '})
    assert "1.json is not UTF-8 text, or no JSON" in refusal(path)
    shard(path, {"1.png": png(), "1.txt": b"x" * 1_000_001})
    assert "1.txt has 1,000,001 bytes; 1,000,000 are allowed" in refusal(path)
    shard(path, {"1.cls": b""})
    assert "holds no image" in refusal(path)


def test_a_header_that_promises_gigabytes_is_refused(tmp_path: Path) -> None:
    info = tarfile.TarInfo("pax")
    info.type, info.size = tarfile.XHDTYPE, 5_000_000_000
    (tmp_path / "0.tar").write_bytes(info.tobuf(tarfile.GNU_FORMAT) + bytes(2048))
    assert "a header is too large" in refusal(tmp_path)


def test_a_damaged_image_is_named(tmp_path: Path) -> None:
    shard(tmp_path / "0.tar", {"1.png": png()[:40], "1.txt": b"a fox"})
    (one,) = examples(tmp_path)
    with pytest.raises(SourceError, match=r"0\.tar: 1\.png"), image_file(one) as file:
        decode(file)
