"""What is loaded and what is hashed are the files that were there when the run began, or the run fails."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tcdflow.errors import RunError, SourceError
from tcdflow.files.artifact import Artifacts
from tcdflow.files.lock import lock
from tcdflow.files.opened import opened
from tcdflow.files.resolve import resolve
from tcdflow.files.unchanged import Unchanged

from .fakes import pipeline, spec, write

UNET = "unet/diffusion_pytorch_model.safetensors"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path / "theirs", pipeline(("",), mark="other"))
    return write(tmp_path / "model", pipeline(("",)))


@contextmanager
def swapped(folder: Path, what: str) -> Iterator[None]:
    """Have another model, folder or file in the place of one, and put it back."""
    here, there, aside = folder / what, folder.parent / "theirs" / what, folder.parent / "aside"
    here.rename(aside)
    there.rename(here)
    yield
    here.rename(there)
    aside.rename(here)


WHAT = ["", "unet", UNET]


@pytest.mark.parametrize("what", WHAT)
def test_what_was_opened_is_loaded_whatever_is_swapped(what: str, folder: Path) -> None:
    expected = (folder / UNET).read_bytes()
    files = Unchanged.since_now(resolve(spec(str(folder)))).artifacts
    with opened(files) as view:
        with swapped(folder, what):
            assert (folder / UNET).read_bytes() != expected
            assert (view.base.path / UNET).read_bytes() == expected
        listed = {path.relative_to(view.base.path).as_posix() for path in view.base.path.rglob("*") if path.is_file()}
        assert listed == set(files.base.files), "and nothing else is there for a library to find"
        root = view.base.root
    assert not root.exists()


def hashing(files: Artifacts) -> None:
    lock(files)


def opening(files: Artifacts) -> None:
    with opened(files):
        pass


@pytest.mark.parametrize("what", WHAT)
@pytest.mark.parametrize("read", [hashing, opening])
def test_what_is_swapped_while_it_is_read_is_noticed(
    what: str, read: Callable[[Artifacts], None], folder: Path
) -> None:
    """Also where it is swapped back, so that all is as it was."""
    files = Unchanged.since_now(resolve(spec(str(folder))))
    with swapped(folder, what), pytest.raises((RunError, SourceError), match="was changed while the run read it"):
        read(files.artifacts)
    if what != UNET:  # a file's change time tells that it was moved; a folder's says nothing of its files
        files.check()


def test_a_digest_is_that_of_the_file_that_was_opened(folder: Path) -> None:
    """And is remembered for no other."""
    artifacts = resolve(spec(str(folder)))
    with swapped(folder, "unet"):
        theirs = {file.file: file.sha256 for file in lock(artifacts)}
    ours = {file.file: file.sha256 for file in lock(artifacts)}
    assert theirs[UNET] != ours[UNET]


def test_elsewhere_files_are_loaded_by_their_names(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tcdflow.files.opened._OPEN", folder / "nowhere")
    files = Unchanged.since_now(resolve(spec(str(folder)))).artifacts
    with opened(files) as view:
        assert view is files


def test_stamps_make_no_difference(folder: Path) -> None:
    artifacts = resolve(spec(str(folder)))
    assert Unchanged.since_now(artifacts).artifacts == artifacts
    shutil.rmtree(folder)
    with pytest.raises(SourceError, match="no longer there"):
        Unchanged.since_now(artifacts)
