"""Half files of the hub's client are removed once nobody downloads them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from huggingface_hub import constants, file_download, hf_hub_download

from tcdflow.files.hub_incomplete import remove_incomplete
from tcdflow.libraries.huggingface_hub import half_files
from tests.hub import StandInHub


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


def test_they_are_where_the_client_downloads_to(hub: StandInHub, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.add("o/sd", {"config.json": b"{}"})
    cache = Path(constants.HF_HUB_CACHE) / "models--o--sd"
    download: Callable[..., Any] = file_download.http_get
    locks: list[Path] = []

    def http_get(*args: Any, **options: Any) -> None:
        remove_incomplete(cache)
        locks.extend(held for half, held in half_files(cache) if half.exists())
        download(*args, **options)

    monkeypatch.setattr(file_download, "http_get", http_get)
    assert Path(hf_hub_download("o/sd", "config.json")).read_bytes() == b"{}"
    assert [lock.parent.parent.name for lock in locks] == [".locks"], (
        "the client names its half files or locks otherwise"
    )
    assert all(lock.is_file() for lock in locks)
