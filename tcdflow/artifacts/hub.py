"""A hub repository at one commit, through ``huggingface_hub``: its cache, tokens, offline mode and retries."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from httpx2 import Request
from huggingface_hub import HfApi, constants, get_cached_repo_tree, get_session, hf_hub_download, snapshot_download
from huggingface_hub.errors import CachedRepoTreeNotFoundError
from huggingface_hub.hf_api import RepoFile

from tcdflow.artifacts.hashes import sha256_file
from tcdflow.artifacts.hub_errors import one_line
from tcdflow.errors import SourceError

_log = logging.getLogger(__name__)
_SHA1 = re.compile(r"[0-9a-f]{40}", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)
_MOST_IN_GIT = 64 * 2**20
"""The hub keeps files above ten megabytes elsewhere."""


@dataclass(frozen=True)
class HubRepo:
    """A repository of the hub, pinned to a commit."""

    repo: str
    revision: str

    @classmethod
    def open(cls, repo: str, revision: str | None) -> HubRepo:
        """Resolve a branch, tag or commit to a commit, from the cache where the hub is out of reach.

        Raises:
            SourceError: if the repository or revision is missing, closed to this user, or out of reach and not cached.
        """
        with one_line(repo, revision):
            _never_hang()
            offline = constants.is_offline_mode()
            commit = HfApi().resolve_revision(repo, revision=revision, local_files_only=offline).resolved
            if not _SHA1.fullmatch(commit):  # it names a folder of the cache
                raise ValueError(commit)
            return cls(repo, commit)

    @property
    def _snapshot(self) -> Path:
        """The folder of the cache that holds this commit's files."""
        cache = Path(constants.HF_HUB_CACHE).expanduser()
        return cache / ("models--" + self.repo.replace("/", "--")) / "snapshots" / self.revision

    def listing(self, inside: str = "") -> tuple[str, ...]:
        """Return the names of the files in a folder of the repository, relative to it.

        A commit never changes, so its listing is asked for once. Where it was never cached and the hub is out of
        reach, it is what the cache holds.

        Raises:
            SourceError: if the hub is out of reach and there is no cache.
        """
        prefix = f"{inside}/" if inside else ""
        return tuple(sorted(name.removeprefix(prefix) for name in self._names() if name.startswith(prefix)))

    def fetch(self, names: tuple[str, ...]) -> Path:
        """Download the named files, unless they are cached, and return the snapshot's folder.

        Their bytes are compared with the hashes that the hub gives for the commit: its client looks at sizes alone.
        A file of the cache that has been damaged is downloaded again.

        Raises:
            SourceError: if a file cannot be had.
        """
        folder = self._snapshot
        if not all((folder / name).is_file() for name in names):
            with one_line(self.repo, self.revision):
                _never_hang()
                patterns = [_literally(name) for name in names]
                snapshot_download(self.repo, revision=self.revision, allow_patterns=patterns)
        for name in names:
            if not (folder / name).is_file():
                # The client is content with an incomplete snapshot where the hub does not answer.
                offline = "HF_HUB_OFFLINE is set: unset it to download"
                why = offline if constants.is_offline_mode() else "the hub does not send it: try again later"
                raise SourceError(f"{name} is not in the local cache, and {why}")
        self._mend([name for name, whole in zip(names, _are_whole(folder, names), strict=True) if not whole])
        return folder

    def _mend(self, damaged: Sequence[str]) -> None:
        """Download damaged files of the cache again; what the hub then sends wrong again is removed from the cache."""
        if damaged and constants.is_offline_mode():
            raise SourceError(f"{damaged[0]} is damaged in the local cache: unset HF_HUB_OFFLINE to download it again")
        with one_line(self.repo, self.revision):
            for name in damaged:
                _log.warning("%s: %s is damaged; downloading it again", self.repo, name)
                hf_hub_download(self.repo, name, revision=self.revision, force_download=True)
        wrong = [name for name in damaged if not _is_whole(self._snapshot / name)]
        for name in wrong:
            (self._snapshot / name).resolve().unlink(missing_ok=True)
            (self._snapshot / name).unlink(missing_ok=True)
        if wrong:
            raise SourceError(f"the hub sends other bytes of {wrong[0]} than it promises: try again later")

    def _names(self) -> list[str]:
        with suppress(CachedRepoTreeNotFoundError):
            return [file.path for file in get_cached_repo_tree(self.repo, revision=self.revision)]
        try:
            with one_line(self.repo, self.revision):
                _never_hang()
                tree = HfApi().list_repo_tree(self.repo, revision=self.revision, recursive=True)
                return [item.path for item in tree if isinstance(item, RepoFile)]
        except SourceError:
            if not self._snapshot.is_dir():
                raise
            found = [f for f in self._snapshot.rglob("*") if f.is_file()]
            return [f.relative_to(self._snapshot).as_posix() for f in found]


def _are_whole(folder: Path, names: Sequence[str]) -> list[bool]:
    """Check files on as many threads as help; hashing releases the interpreter lock."""
    with ThreadPoolExecutor(max_workers=4, thread_name_prefix="sha256") as pool:
        return list(pool.map(lambda name: _is_whole(folder / name), names))


def _is_whole(path: Path) -> bool:
    """Compare a cached file with the hash that the hub promised, which is the name of the blob that it links to.

    That is the SHA-256 of a large file, and of a small one its hash in git, or SHA-1 on some mirrors. A cache without
    links, as on Windows, does not keep it.
    """
    try:
        promised = path.readlink().name
    except OSError:
        return True
    if _SHA256.fullmatch(promised):
        return sha256_file(path) == promised
    if not _SHA1.fullmatch(promised) or path.stat().st_size > _MOST_IN_GIT:
        return True
    content = path.read_bytes()
    in_git = b"blob %d\0" % len(content) + content
    return promised in {hashlib.sha1(of, usedforsecurity=False).hexdigest() for of in (in_git, content)}


def _literally(name: str) -> str:
    """Escape a file name for the hub's fnmatch patterns."""
    return "".join(f"[{c}]" if c in "*?[" else c for c in name)


def _never_hang() -> None:
    """Limit how long the requests of the hub's client wait.

    Its 2.4 asks for a repository's commit and files without any limit, and retries a file's head with one of a minute.
    """
    session = get_session()
    hooks = session.event_hooks
    if _limit not in hooks["request"]:
        session.event_hooks = {**hooks, "request": [*hooks["request"], _limit]}


def _limit(request: Request) -> None:
    given = request.extensions.get("timeout") or {}
    most = constants.HF_HUB_DOWNLOAD_TIMEOUT
    kinds = ("connect", "read", "write", "pool")
    request.extensions["timeout"] = {kind: min(given.get(kind) or most, most) for kind in kinds}
