"""Undocumented parts of huggingface_hub."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from huggingface_hub import file_download, hf_hub_url
from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]


def http_get(repo: str, commit: str, name: str, into: BinaryIO, have: int, size: int) -> None:
    """Download the rest of a file over HTTP, with the client's own tries, timeouts and errors.

    Undocumented: ``file_download.http_get``. In its place: ``hf_hub_download``, once it goes on where a killed process
    was.

    Args:
        repo: on the hub.
        commit: of it.
        name: of the file.
        into: where to write, at its end.
        have: bytes that are there already.
        size: bytes of the whole.
    """
    url = hf_hub_url(repo, name, revision=commit)
    file_download.http_get(
        url, into, resume_size=have, headers=build_hf_headers(), expected_size=size, displayed_filename=name
    )


def half_files(cache: Path) -> Iterator[tuple[Path, Path]]:
    """Yield what the client has half downloaded, each with the lock that it holds while it does.

    Undocumented: the names of both, ``blobs/HASH.….incomplete`` and ``.locks``. In their place: ``scan_cache_dir``,
    once it tells which half files somebody downloads.

    Args:
        cache: folder of the repository in the client's cache.
    """
    for half in (cache / "blobs").glob("*.incomplete"):
        yield half, cache.parent / ".locks" / cache.name / f"{half.name.partition('.')[0]}.lock"
