"""A hub repository at one commit, through ``huggingface_hub``: its cache, tokens, offline mode and retries."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from huggingface_hub import HfApi, constants, get_cached_repo_tree, hf_hub_download, snapshot_download
from huggingface_hub.errors import CachedRepoTreeNotFoundError

from tcdflow.errors import NotHereError, SourceError
from tcdflow.files.artifact import Absent
from tcdflow.files.hashes import sha256_file
from tcdflow.files.hub_download import Progress, download, link
from tcdflow.files.hub_errors import NOT_FETCHED, OFFLINE, one_line
from tcdflow.files.hub_incomplete import remove_incomplete
from tcdflow.files.hub_session import interruptible, limit_requests
from tcdflow.files.hub_tree import Tree, keep, promised, recall
from tcdflow.files.safetensors_header import Header

_log = logging.getLogger(__name__)
_SHA1 = re.compile(r"[0-9a-f]{40}", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)
_MOST_IN_GIT = 64 * 2**20
"""The hub keeps files above ten megabytes elsewhere."""


@dataclass(frozen=True)
class HubRepo:
    """A repository of the hub, pinned to a commit.

    Attributes:
        repo: its name.
        revision: the commit.
        cached: only what the cache has may be used, since nobody at the command line wants the hub asked.
    """

    repo: str
    revision: str
    cached: bool = False

    @classmethod
    def open(cls, repo: str, revision: str | None, *, cached: bool = False) -> HubRepo:
        """Resolve a branch, tag or commit to a commit, from the cache where the hub is out of reach.

        Raises:
            SourceError: if the repository or revision is missing, closed to this user, or out of reach and not cached.
        """
        with one_line(repo, revision, cached=cached):
            limit_requests()
            offline = cached or constants.is_offline_mode()
            commit = HfApi().resolve_revision(repo, revision=revision, local_files_only=offline).resolved
            if not _SHA1.fullmatch(commit):  # it names a folder of the cache
                raise ValueError(commit)
            return cls(repo, commit, cached)

    @property
    def _cache(self) -> Path:
        return Path(constants.HF_HUB_CACHE).expanduser() / ("models--" + self.repo.replace("/", "--"))

    @property
    def snapshot(self) -> Path:
        """The folder of the cache that holds this commit's files."""
        return self._cache / "snapshots" / self.revision

    def listing(self, inside: str = "") -> tuple[str, ...]:
        """Return the names of the files in a folder of the repository, relative to it.

        A commit never changes, so its listing is asked for once. Where it was never cached and the hub is out of
        reach, it is what the cache holds.

        Raises:
            SourceError: if the hub is out of reach and there is no cache.
        """
        prefix = f"{inside}/" if inside else ""
        return tuple(sorted(name.removeprefix(prefix) for name in self._tree if name.startswith(prefix)))

    def look(self, names: tuple[str, ...]) -> tuple[Path, tuple[Absent, ...]]:
        """Return the snapshot's folder, and those of the files that it lacks or holds damaged.

        That goes for large files, of which the hub tells size and SHA-256. Small ones are downloaded.

        Raises:
            SourceError: if a small file cannot be had.
        """
        large = {name: file for name in names if (file := self._tree.get(name)) is not None}
        self._bring_small([name for name in names if name not in large])
        for name, file in large.items():
            blob, pointer = self._blob(file), self.snapshot / name
            if not pointer.exists() and blob.is_file() and blob.stat().st_size == file.size:
                with suppress(OSError):
                    link(blob, pointer)
        whole = self._are_whole(list(large))
        return self.snapshot, tuple(file for file, good in zip(large.values(), whole, strict=True) if not good)

    def fetch(self, absent: Sequence[Absent], progress: Progress) -> None:
        """Download large files, each from where an earlier try was cut off, and compare their bytes with their hashes.

        Args:
            absent: what :meth:`look` has found to be missing.
            progress: called with the SHA-256 of a file and its bytes so far.

        Raises:
            SourceError: if a file cannot be had.
        """
        absent = [
            file for file in absent if not _is_whole(self.snapshot / file.name, file)
        ]  # another part may share it
        if not absent:
            return
        first, more = absent[0], f" and {len(absent) - 1} more" if absent[1:] else ""
        if self._offline:
            if not more and (self.snapshot / first.name).exists():
                raise NotHereError(f"{first.name} is damaged in the local cache{self._mending}")
            size = sum(file.size for file in absent) / 1e6
            verb = "are" if more else "is"
            raise NotHereError(f"{first.name}{more} ({size:,.1f} MB) {verb} not in the local cache{self._remedy}")
        for file in absent:
            for path in (self.snapshot / file.name, self._blob(file)):
                # A dangling link is in the way too; a blob that another process has just made is not.
                if path.is_symlink() or (path.exists() and not _is_whole(path, file)):
                    path.unlink(missing_ok=True)
        remove_incomplete(self._cache)
        with one_line(self.repo, self.revision):
            limit_requests()
            download(self.repo, self.revision, [(file, self._blob(file)) for file in absent], progress)
            for file in absent:
                link(self._blob(file), self.snapshot / file.name)

    def header(self, name: str) -> Header | None:
        """Return the header of a safetensors file that is not here, by a request of its first bytes.

        It says early what is wrong with a file. None where the hub does not send it: then that is found out later.
        """
        if self._offline:
            return None
        try:
            with one_line(self.repo, self.revision):
                limit_requests()
                found = HfApi().parse_safetensors_file_metadata(self.repo, name, revision=self.revision)
        except SourceError:
            return None
        shapes = {key: tuple(tensor.shape) for key, tensor in found.tensors.items()}
        dtypes = {key: str(tensor.dtype) for key, tensor in found.tensors.items()}
        return Header(shapes, dict(found.metadata), dtypes)

    def _blob(self, file: Absent) -> Path:
        return self._cache / "blobs" / file.sha256

    @property
    def _offline(self) -> bool:
        return self.cached or constants.is_offline_mode()

    @property
    def _remedy(self) -> str:
        return OFFLINE if constants.is_offline_mode() else NOT_FETCHED

    @property
    def _mending(self) -> str:
        return ": unset HF_HUB_OFFLINE to download it again" if constants.is_offline_mode() else NOT_FETCHED

    def _bring_small(self, names: Sequence[str]) -> None:
        folder = self.snapshot
        if not self._offline and not all((folder / name).is_file() for name in names):
            remove_incomplete(self._cache)
            with one_line(self.repo, self.revision):
                limit_requests()
                patterns = [_literally(name) for name in names]
                interruptible(lambda: snapshot_download(self.repo, revision=self.revision, allow_patterns=patterns))
        for name in names:
            if not (folder / name).is_file():
                # The client is content with an incomplete snapshot where the hub does not answer.
                if self._offline:
                    raise NotHereError(f"{name} is not in the local cache{self._remedy}")
                raise SourceError(f"{name} is not in the local cache, and the hub does not send it: try again later")
        self._mend([name for name, whole in zip(names, self._are_whole(names), strict=True) if not whole])

    def _mend(self, damaged: Sequence[str]) -> None:
        """Download damaged files of the cache again; what the hub then sends wrong again is removed from the cache."""
        if damaged and self._offline:
            raise NotHereError(f"{damaged[0]} is damaged in the local cache{self._mending}")
        with one_line(self.repo, self.revision):
            for name in damaged:
                _log.warning("%s: %s is damaged; downloading it again", self.repo, name)
                hf_hub_download(self.repo, name, revision=self.revision, force_download=True)
        broken = [name for name in damaged if not _is_whole(self.snapshot / name)]
        for name in broken:
            (self.snapshot / name).resolve().unlink(missing_ok=True)
            (self.snapshot / name).unlink(missing_ok=True)
        if broken:
            raise SourceError(f"the hub sends other bytes of {broken[0]} than it promises: try again later")

    @cached_property
    def _tree(self) -> Tree:
        known = recall(self.repo, self.revision)
        if known is not None:
            return known
        try:
            with one_line(self.repo, self.revision, cached=self.cached):
                if self.cached:
                    raise CachedRepoTreeNotFoundError
                limit_requests()
                tree = promised(HfApi().list_repo_tree(self.repo, revision=self.revision, recursive=True))
        except SourceError:
            if not self.snapshot.is_dir():
                raise
            return dict.fromkeys(self._cached_names())
        keep(self.repo, self.revision, tree)
        return tree

    def _cached_names(self) -> list[str]:
        """Return what another program's cache knows of the files: a listing, or the files themselves."""
        with suppress(CachedRepoTreeNotFoundError):
            return [file.path for file in get_cached_repo_tree(self.repo, revision=self.revision)]
        return [f.relative_to(self.snapshot).as_posix() for f in self.snapshot.rglob("*") if f.is_file()]

    def _are_whole(self, names: Sequence[str]) -> list[bool]:
        """Check files on as many threads as help; hashing releases the interpreter lock."""
        with ThreadPoolExecutor(max_workers=4, thread_name_prefix="sha256") as pool:
            return list(pool.map(lambda name: _is_whole(self.snapshot / name, self._tree.get(name)), names))


def _is_whole(path: Path, promised: Absent | None = None) -> bool:
    """Compare a cached file with the hash that the hub promised, which is the name of the blob that it links to too.

    That is the SHA-256 of a large file, and of a small one its hash in git, or SHA-1 on some mirrors. A cache without
    links, as on some file systems, does not keep it.
    """
    try:
        if promised is not None:
            return path.stat().st_size == promised.size and sha256_file(path) == promised.sha256
        name = path.readlink().name
    except FileNotFoundError:
        return False
    except OSError:
        return True
    if _SHA256.fullmatch(name):
        return sha256_file(path) == name
    if not _SHA1.fullmatch(name) or path.stat().st_size > _MOST_IN_GIT:
        return True
    content = path.read_bytes()
    in_git = b"blob %d\0" % len(content) + content
    return name in {hashlib.sha1(of, usedforsecurity=False).hexdigest() for of in (in_git, content)}


def _literally(name: str) -> str:
    """Escape a file name for the hub's fnmatch patterns."""
    return "".join(f"[{c}]" if c in "*?[" else c for c in name)
