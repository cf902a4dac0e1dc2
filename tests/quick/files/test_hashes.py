"""Digests are those of the bytes, are remembered, and are never taken from a memory that no longer fits."""

from __future__ import annotations

import hashlib
import os
import time
from io import FileIO
from pathlib import Path

import pytest

from tcdflow.errors import SourceError
from tcdflow.files import hashes
from tcdflow.files.artifact import Artifact
from tcdflow.files.hashes import cache_dir, sha256_file
from tcdflow.files.lock import LockedFile, lock


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "weights"
    path.write_bytes(b"one")
    time.sleep(0.03)  # past the tick of the file system's clock, so that it is remembered
    return path


def count_reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    reads: list[str] = []
    real = hashes.sha256_of

    def watch(file: FileIO) -> str:
        reads.append(str(file.name))
        return real(file)

    monkeypatch.setattr(hashes, "sha256_of", watch)
    return reads


def test_a_file_is_read_once(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reads = count_reads(monkeypatch)
    assert [sha256_file(file) for _ in range(3)] == [digest(b"one")] * 3
    assert len(reads) == 1


def test_links_to_a_file_share_its_memory(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reads = count_reads(monkeypatch)
    link = file.with_name("link")
    link.symlink_to(file.name)
    assert sha256_file(link) == sha256_file(file) == digest(b"one")
    assert len(reads) == 1


def test_a_changed_file_of_the_same_size_and_time_is_noticed(file: Path) -> None:
    sha256_file(file)
    stat = file.stat()
    file.write_bytes(b"two")
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert sha256_file(file) == digest(b"two")


def test_changes_faster_than_the_clock_are_noticed(tmp_path: Path) -> None:
    file = tmp_path / "busy"
    for number in range(200):
        content = b"%03d" % number
        file.write_bytes(content)
        assert sha256_file(file) == digest(content)


def test_another_file_moved_to_its_place_is_noticed(file: Path) -> None:
    sha256_file(file)
    other = file.with_name("other")
    other.write_bytes(b"two")
    other.replace(file)
    assert sha256_file(file) == digest(b"two")


def memory_of(cache: Path) -> Path:
    (memory,) = (path for path in cache.rglob("*") if path.is_file())
    return memory


@pytest.mark.parametrize("spoil", [
    lambda text: b"",
    lambda text: b"\xff\xfe\x00",
    lambda text: text[:-20],
    lambda text: text[:50] + b" " + text[51:],
    lambda text: text.replace(text.split()[1], b"f" * 64),
    lambda text: b"x" * 1_000_000,
])  # fmt: skip
def test_a_corrupted_memory_is_ignored(file: Path, cache: Path, spoil: object) -> None:
    assert callable(spoil)
    sha256_file(file)
    memory = memory_of(cache)
    memory.write_bytes(spoil(memory.read_bytes()))
    assert sha256_file(file) == digest(b"one")


def test_the_memory_of_another_file_is_ignored(file: Path, cache: Path) -> None:
    sha256_file(file)
    text = memory_of(cache).read_bytes()
    memory_of(cache).write_bytes(b"0" + text)
    assert sha256_file(file) == digest(b"one")


@pytest.mark.parametrize("where", ["/proc/none", "/dev/null/x"])
def test_an_unwritable_cache_costs_nothing_but_time(file: Path, where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TCDFLOW_CACHE", where)
    assert sha256_file(file) == sha256_file(file) == digest(b"one")


def test_a_full_disk_leaves_no_scraps(file: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    assert sha256_file(file) == digest(b"one")
    assert not [path for path in cache.rglob("*") if path.is_file()]


def test_where_the_cache_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TCDFLOW_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert cache_dir() == Path("/somewhere/tcdflow")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")  # to be ignored, says the XDG specification
    assert cache_dir() == Path.home() / ".cache" / "tcdflow"

    def homeless() -> Path:
        raise RuntimeError

    monkeypatch.setattr(Path, "home", homeless)
    assert cache_dir().is_absolute()


def artifact(root: Path, *files: str) -> Artifact:
    return Artifact("base", "./somewhere", None, root, files, False)


def test_the_lock_names_every_file_in_order(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"one")
    (tmp_path / "b").write_bytes(b"")
    parts = [artifact(tmp_path, "b", "a"), artifact(tmp_path, "a")]
    assert [(entry.file, entry.size, entry.sha256) for entry in lock(parts)] == [
        ("b", 0, digest(b"")),
        ("a", 3, digest(b"one")),
        ("a", 3, digest(b"one")),
    ]
    assert lock([]) == ()


def test_a_file_that_has_gone_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"^base: '\./somewhere': gone cannot be read: No such file"):
        lock([artifact(tmp_path, "gone")])


def test_a_locked_file_reads_back_and_holds_a_hash() -> None:
    entry = LockedFile(role="base", source="a/b", revision="0" * 40, file="x", size=1, sha256=digest(b""))
    assert LockedFile.model_validate_json(entry.model_dump_json()) == entry
    with pytest.raises(ValueError, match="sha256"):
        LockedFile.model_validate({**entry.model_dump(), "sha256": "no hash"})


@pytest.mark.parametrize("size", [0, 1, 1000, 1001, 4096])
def test_a_file_is_hashed_whatever_its_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr(hashes, "_AT_ONCE", 1000)
    path = tmp_path / "weights"
    path.write_bytes(content := os.urandom(size))
    assert sha256_file(path) == digest(content)
