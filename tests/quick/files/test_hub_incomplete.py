"""Half files of the hub's client are removed once nobody downloads them."""

from __future__ import annotations

from pathlib import Path

import pytest
from filelock import FileLock

from tcdflow.files.hub_incomplete import remove_incomplete


@pytest.fixture
def half(tmp_path: Path) -> Path:
    """A file that was being downloaded, as the client names it, with its lock."""
    path = tmp_path / "models--o--sd" / "blobs" / "0123abcd.f00f00aa.incomplete"
    path.parent.mkdir(parents=True)
    path.write_text("half")
    lock = tmp_path / ".locks" / "models--o--sd" / "0123abcd.lock"
    lock.parent.mkdir(parents=True)
    lock.touch()
    return path


def test_it_stays_while_somebody_downloads_it(half: Path, tmp_path: Path) -> None:
    with FileLock(tmp_path / ".locks" / "models--o--sd" / "0123abcd.lock"):
        remove_incomplete(tmp_path / "models--o--sd")
        assert half.exists()
    remove_incomplete(tmp_path / "models--o--sd")
    assert not half.exists()


def test_without_a_lock_nobody_knows_whose_it_is(half: Path, tmp_path: Path) -> None:
    (tmp_path / ".locks" / "models--o--sd" / "0123abcd.lock").unlink()
    remove_incomplete(tmp_path / "models--o--sd")
    assert half.exists()
