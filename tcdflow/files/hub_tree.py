"""The files of a commit on the hub with their sizes and hashes, cached: a commit never changes.

The hub's client remembers names too, and does not tell the SHA-256 of large files, without which nothing can be said of
a file before it is downloaded.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from pathlib import Path

from huggingface_hub.hf_api import RepoFile

from tcdflow.files.artifact import Absent
from tcdflow.files.hashes import cache_dir, remember

Tree = dict[str, Absent | None]
"""What is promised of each file of a commit; None of a small one, which git itself keeps."""

_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)


def promised(files: Iterable[object]) -> Tree:
    """Return what the hub's answer promises."""
    return {file.path: _promise(file) for file in files if isinstance(file, RepoFile)}


def recall(repo: str, commit: str) -> Tree | None:
    """Return the files of a commit from memory, or None."""
    try:
        plain = json.loads(_memory(repo, commit).read_text("utf-8"))
        return {name: Absent(name, *known) if known else None for name, known in plain.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return None


def keep(repo: str, commit: str, tree: Tree) -> None:
    """Remember the files of a commit."""
    plain = {name: file and [file.size, file.sha256] for name, file in tree.items()}
    remember(_memory(repo, commit), json.dumps(plain))


def _promise(file: RepoFile) -> Absent | None:
    if file.lfs is None or not _SHA256.fullmatch(file.lfs.sha256):
        return None
    return Absent(file.path, file.lfs.size, file.lfs.sha256)


def _memory(repo: str, commit: str) -> Path:
    return cache_dir() / "trees" / hashlib.sha256(f"{repo}@{commit}".encode()).hexdigest()
