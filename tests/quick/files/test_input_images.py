"""Where input images come from on this machine: paths and file URLs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tcdflow.files.images import resolve_image
from tests.quick.files.images import PNG, complaint


def test_a_path(tmp_path: Path) -> None:
    (tmp_path / "in.png").write_bytes(PNG)
    text = str(tmp_path / "in.png")
    found = resolve_image("task.image", text)
    assert (found.role, found.source, found.revision, found.files) == ("task.image", text, None, ("in.png",))
    assert found.single
    assert found.path == (tmp_path / "in.png").resolve()


def test_a_relative_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "in.png").write_bytes(PNG)
    monkeypatch.chdir(tmp_path)
    found = resolve_image("task.image", "in.png")
    assert found.source == "in.png"
    assert found.path.is_absolute()


def test_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "in.png").write_bytes(PNG)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert resolve_image("task.image", "~/in.png").path.read_bytes() == PNG


@pytest.mark.parametrize("host", ["", "localhost"])
def test_a_file_url(tmp_path: Path, host: str) -> None:
    (tmp_path / "an image é.png").write_bytes(PNG)
    url = (tmp_path / "an image é.png").as_uri().replace("file://", f"file://{host}")
    assert resolve_image("task.image", url).path == (tmp_path / "an image é.png").resolve()


def test_a_name_that_looks_like_a_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "data:1.png").write_bytes(PNG)
    monkeypatch.chdir(tmp_path)
    assert resolve_image("task.image", "data:1.png").files == ("data:1.png",)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("no/such/image.png", f"there is no such file in {Path.cwd()}"),
        ("~nobody-has-this-home/x.png", "there is no such file"),
        ("a\0b", "there is no such file"),
        ("x" * 4000, "cannot be read"),
        (".", "is a folder; an image is needed, or with -m all that are in it: glob(FOLDER)"),
        ("photos/*.png", "; a pattern is for sweeps: -m 'KEY=glob(PATTERN)'"),
        ("glob(photos)", "a pattern is for sweeps"),
        ("file:///no/such.png", "there is no such file"),
        ("file://elsewhere/x.png", "a file: URL names a file of this machine"),
        ("ftp://host/x.png", "ftp: is not supported"),
        ("S3://bucket/x.png", "s3: is not supported"),
        ("data:image/png;base64,iVBORw0KGgo=", "data: is not supported"),
        ("no/such\x1b[31m.png", "there is no such file"),
    ],
)
def test_what_is_no_image_of_ours(text: str, what: str) -> None:
    message = complaint(text)
    assert what in message
    assert len(message) < 500


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert "not a regular file" in complaint(str(tmp_path / "pipe"))


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() == 0, reason="root may read everything")
def test_a_closed_file(tmp_path: Path) -> None:
    (tmp_path / "in.png").write_bytes(PNG)
    (tmp_path / "in.png").chmod(0)
    assert "Permission denied" in complaint(str(tmp_path / "in.png"))


def test_neither_torch_nor_a_client_is_imported_for_a_path() -> None:
    code = "import sys, tcdflow.files.images; print({'torch', 'httpx2', 'numpy', 'cv2'} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"
