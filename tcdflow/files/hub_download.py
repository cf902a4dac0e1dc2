"""Large files of the hub, downloaded into its client's cache and checked against the hub's SHA-256.

Files that the hub stores by Xet are the client's to download (``hf_hub_download``): in chunks, many at once, none
twice. It sends others over HTTP, and of these the client (2.4) starts over in each process: killed at 90 % of SDXL's
UNet in half precision, it downloads 5.1 GB again where 0.5 are missing, and what it had stays in the cache as a dead
file. Any bytes of the right length pass for the file. Here the bytes of such a file collect in one that is named by
their SHA-256, which cannot be another's, and become the cache's own once that hash is theirs.
"""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from io import FileIO
from pathlib import Path
from typing import Any

from huggingface_hub import constants, get_hf_file_metadata, hf_hub_download, hf_hub_url
from huggingface_hub.utils import tqdm  # type: ignore[attr-defined]

from tcdflow.errors import SourceError
from tcdflow.files.artifact import Absent
from tcdflow.files.exclusive import BusyError, lock
from tcdflow.files.hashes import know, sha256_file
from tcdflow.libraries.huggingface_hub import http_get

Progress = Callable[[str, int], None]
"""Called from several threads with the SHA-256 of a file and how many of its bytes are here."""

_AT_ONCE = 4
_PATIENCE = 0.2  # seconds between looks at whether another process still downloads the same file


class _StoppedError(Exception):
    """Another file has failed, or the user wants to stop."""


def download(repo: str, commit: str, files: Sequence[tuple[Absent, Path]], progress: Progress) -> None:
    """Download files, some at once; what has come of those that fail is kept for the next try.

    Args:
        repo: on the hub.
        commit: of it.
        files: each with the path that its bytes are to have.
        progress: called with the SHA-256 of a file and its bytes so far.

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
                    _download(repo, commit, file, blob, progress, stop)
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


def _download(repo: str, commit: str, file: Absent, blob: Path, progress: Progress, stop: threading.Event) -> None:
    with _alone(blob.with_name(f"{blob.name}.partial"), stop) as partial:
        if blob.exists():  # another process was faster
            partial.unlink()
            progress(file.sha256, file.size)
            return
        if _by_xet(repo, commit, file):
            partial.unlink()
            _download_by_xet(repo, commit, file, blob, progress)
        else:
            _resume(repo, commit, file, partial, progress, stop)
            partial.replace(blob)
        know(blob, file.sha256)


def _by_xet(repo: str, commit: str, file: Absent) -> bool:
    if constants.HF_HUB_DISABLE_XET or find_spec("hf_xet") is None:
        return False
    return get_hf_file_metadata(hf_hub_url(repo, file.name, revision=commit)).xet_file_data is not None


def _download_by_xet(repo: str, commit: str, file: Absent, blob: Path, progress: Progress) -> None:
    """Have the client download a file into its cache, where the blob is named by the file's SHA-256."""

    class Bar(tqdm):  # how the client tells of its progress
        done = 0

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs | {"disable": True})  # type: ignore[no-untyped-call]

        def update(self, n: float | None = 1) -> None:
            self.done += int(n or 0)
            progress(file.sha256, min(self.done, file.size))

        def update_transfer(self, n: float) -> None:
            """Take note of what the network brings, of which several chunks may be one file's."""

    progress(file.sha256, 0)
    pointer = Path(hf_hub_download(repo, file.name, revision=commit, tqdm_class=Bar))
    if not _is_whole(pointer, file):
        blob.unlink(missing_ok=True)
        pointer.unlink(missing_ok=True)
        raise _other_bytes(file)


def _resume(repo: str, commit: str, file: Absent, partial: Path, progress: Progress, stop: threading.Event) -> None:
    with _Bytes(partial, lambda count: progress(file.sha256, count), stop) as bytes_:
        had = bytes_.have(file.size)
        _get(repo, commit, file, bytes_, had)
        if had and not _is_whole(partial, file):  # what was kept of an earlier try was wrong
            _get(repo, commit, file, bytes_, bytes_.have(0))
    if not _is_whole(partial, file):
        partial.unlink()
        raise _other_bytes(file)


def _other_bytes(file: Absent) -> SourceError:
    return SourceError(f"the hub sends other bytes of {file.name} than it promises: try again later")


def _get(repo: str, commit: str, file: Absent, bytes_: _Bytes, had: int) -> None:
    if had < file.size:
        http_get(repo, commit, file.name, bytes_, had, file.size)


def _is_whole(path: Path, file: Absent) -> bool:
    return path.stat().st_size == file.size and sha256_file(path) == file.sha256


class _Bytes(FileIO):
    """A file that tells how many bytes it has, and can be stopped."""

    def __init__(self, path: Path, progress: Callable[[int], None], stop: threading.Event) -> None:
        super().__init__(path, "r+")
        self._progress = progress
        self._stop = stop

    def have(self, most: int) -> int:
        """Go to the end, and return how many bytes are there; more than there can be are none."""
        if self.seek(0, os.SEEK_END) > most:
            self.seek(0)
            self.truncate()
        self._progress(self.tell())
        return self.tell()

    def write(self, data: bytes) -> int:  # type: ignore[override]
        if self._stop.is_set():
            raise _StoppedError
        view = memoryview(data)
        while view:
            view = view[super().write(view) :]
        self._progress(self.tell())
        return len(data)


@contextmanager
def _alone(path: Path, stop: threading.Event) -> Iterator[Path]:
    """Hold a partial file, which stays there for the next try if it does not become the whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    while not stop.is_set():
        with path.open("ab") as held:
            try:
                lock(held.fileno())
            except BusyError:
                stop.wait(_PATIENCE)
                continue
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
