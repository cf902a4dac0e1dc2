"""Large files of the hub, downloaded into its client's cache so that a killed download goes on where it was.

The client itself starts a file anew in each process. Here the bytes of a file collect in one that is named by their
SHA-256, which cannot be another's, and become the cache's own once that hash is theirs.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path

from huggingface_hub import file_download, hf_hub_url
from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]

from tcdflow.errors import SourceError
from tcdflow.files.artifact import Absent
from tcdflow.files.hashes import know, sha256_file

Told = Callable[[str, int], None]
"""Is told the SHA-256 of a file and how many of its bytes are here, from several threads."""

_AT_ONCE = 4
_PATIENCE = 0.2  # seconds between looks at whether another process still downloads the same file


class _StoppedError(Exception):
    """Another file has failed, or the user wants to stop."""


def download(repo: str, commit: str, files: Sequence[tuple[Absent, Path]], told: Told) -> None:
    """Download files, some at once; what has come of those that fail is kept for the next try.

    Args:
        repo: on the hub.
        commit: of it.
        files: each with the path that its bytes are to have.
        told: is told of the progress.

    Raises:
        SourceError: if the hub sends other bytes than it promised.
        Exception: whatever the hub's client raises.
    """
    _check_space(files)
    stop = threading.Event()
    left = list(reversed(files))
    failed: list[Exception] = []

    def work() -> None:
        with suppress(IndexError):
            while not stop.is_set():
                file, blob = left.pop()
                try:
                    _download(repo, commit, file, blob, told, stop)
                except Exception as error:
                    failed.append(error)
                    stop.set()

    # No pool: it would wait for a server that does not answer even where the user wants to stop.
    threads = [threading.Thread(target=work, daemon=True) for _ in files[:_AT_ONCE]]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        stop.set()
    if failed:
        raise failed[0]


def link(blob: Path, pointer: Path) -> None:
    """Give a blob of the cache its name in a snapshot; where links cannot be made it moves there."""
    pointer.parent.mkdir(parents=True, exist_ok=True)
    try:
        pointer.symlink_to(os.path.relpath(blob, pointer.parent))
    except FileExistsError:
        return
    except OSError:
        blob.replace(pointer)


def _download(repo: str, commit: str, file: Absent, blob: Path, told: Told, stop: threading.Event) -> None:
    with _alone(blob.with_name(f"{blob.name}.partial"), stop) as partial:
        if blob.exists():  # another process was faster
            partial.unlink()
            told(file.sha256, file.size)
            return
        with _Bytes(partial, lambda count: told(file.sha256, count), stop) as bytes_:
            had = bytes_.have(file.size)
            _get(repo, commit, file, bytes_, had)
            if had and not _is_whole(partial, file):  # what was kept of an earlier try was wrong
                _get(repo, commit, file, bytes_, bytes_.have(0))
        if not _is_whole(partial, file):
            partial.unlink()
            raise SourceError(f"the hub sends other bytes of {file.name} than it promises: try again later")
        partial.replace(blob)
        know(blob, file.sha256)


def _get(repo: str, commit: str, file: Absent, bytes_: _Bytes, had: int) -> None:
    if had < file.size:
        url = hf_hub_url(repo, file.name, revision=commit)
        headers = build_hf_headers()
        file_download.http_get(
            url, bytes_, resume_size=had, headers=headers, expected_size=file.size, displayed_filename=file.name
        )


def _is_whole(path: Path, file: Absent) -> bool:
    return path.stat().st_size == file.size and sha256_file(path) == file.sha256


class _Bytes(FileIO):
    """A file that tells how many bytes it has, and can be stopped."""

    def __init__(self, path: Path, told: Callable[[int], None], stop: threading.Event) -> None:
        super().__init__(path, "r+")
        self._told = told
        self._stop = stop

    def have(self, most: int) -> int:
        """Go to the end, and return how many bytes are there; more than there can be are none."""
        if self.seek(0, os.SEEK_END) > most:
            self.seek(0)
            self.truncate()
        self._told(self.tell())
        return self.tell()

    def write(self, data: bytes) -> int:  # type: ignore[override]
        if self._stop.is_set():
            raise _StoppedError
        view = memoryview(data)
        while view:
            view = view[super().write(view) :]
        self._told(self.tell())
        return len(data)


@contextmanager
def _alone(path: Path, stop: threading.Event) -> Iterator[Path]:
    """Hold a partial file, which stays there for the next try if it does not become the whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    while not stop.is_set():
        with path.open("ab") as held:
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                stop.wait(_PATIENCE)
                continue
            except OSError:
                pass  # a file system without locks
            if path.exists() and path.stat().st_ino == os.fstat(held.fileno()).st_ino:
                yield path
                return
        # It became the whole, or was removed, between these lines.
    raise _StoppedError


def _check_space(files: Sequence[tuple[Absent, Path]]) -> None:
    folder = files[0][1].parent
    folder.mkdir(parents=True, exist_ok=True)
    partial = [blob.with_name(f"{blob.name}.partial") for _, blob in files]
    needed = sum(file.size for file, _ in files) - sum(path.stat().st_size for path in partial if path.exists())
    free = shutil.disk_usage(folder).free
    if needed > free:
        what = f"{needed / 1e9:.1f} GB are to be downloaded, and {free / 1e9:.1f} GB are free in {folder.parent.parent}"
        raise SourceError(f"{what}; HF_HUB_CACHE names another place")
