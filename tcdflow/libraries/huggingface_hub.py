"""Undocumented parts of huggingface_hub."""

from __future__ import annotations

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
