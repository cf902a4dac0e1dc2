"""A hub repository at one commit, through ``huggingface_hub``: its cache, tokens, offline mode and retries."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
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
            return cls(repo, HfApi().resolve_revision(repo, revision=revision).resolved)

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
        with one_line(self.repo, self.revision):
            _never_hang()
            patterns = [_literally(name) for name in names]
            folder = Path(snapshot_download(self.repo, revision=self.revision, allow_patterns=patterns))
        promised = self._promised()
        for name in names:
            if not (folder / name).is_file():
                # The client returns an incomplete snapshot where the hub is out of reach.
                offline = "HF_HUB_OFFLINE is set: unset it to download"
                why = offline if constants.is_offline_mode() else "the hub does not send it: try again later"
                raise SourceError(f"{name} is not in the local cache, and {why}")
            if name in promised and not _is_whole(folder / name, promised[name]):
                self._fetch_again(folder / name, name, promised[name])
        return folder

    def _fetch_again(self, path: Path, name: str, promised: RepoFile) -> None:
        if constants.is_offline_mode():
            raise SourceError(f"{name} is damaged in the local cache: unset HF_HUB_OFFLINE to download it again")
        _log.warning("%s: %s is damaged; downloading it again", self.repo, name)
        with one_line(self.repo, self.revision):
            hf_hub_download(self.repo, name, revision=self.revision, force_download=True)
        if not _is_whole(path, promised):
            # Nobody shall load it, and the next try shall not find it.
            path.resolve().unlink(missing_ok=True)
            path.unlink(missing_ok=True)
            raise SourceError(f"the hub sends other bytes of {name} than it promises: try again later")

    def _names(self) -> list[str]:
        if names := list(self._promised()):
            return names
        try:
            with one_line(self.repo, self.revision):
                _never_hang()
                tree = HfApi().list_repo_tree(self.repo, revision=self.revision, recursive=True)
                return [item.path for item in tree if isinstance(item, RepoFile)]
        except SourceError:
            snapshot = Path(
                constants.HF_HUB_CACHE, "models--" + self.repo.replace("/", "--"), "snapshots", self.revision
            )
            if not snapshot.is_dir():
                raise
            return [f.relative_to(snapshot).as_posix() for f in snapshot.rglob("*") if f.is_file()]

    def _promised(self) -> Mapping[str, RepoFile]:
        """Return what the hub says of each file at this commit, as far as the cache knows."""
        try:
            return {file.path: file for file in get_cached_repo_tree(self.repo, revision=self.revision)}
        except CachedRepoTreeNotFoundError:
            return {}


def _is_whole(path: Path, promised: RepoFile) -> bool:
    """Compare a file with its SHA-256 on the hub, or a small one with its hash in git."""
    if promised.lfs is not None:
        return path.stat().st_size == promised.lfs.size and sha256_file(path) == promised.lfs.sha256
    if path.stat().st_size != promised.size:
        return False
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest() == promised.blob_id


def _literally(name: str) -> str:
    """Escape a file name for the hub's fnmatch patterns."""
    return "".join(f"[{c}]" if c in "*?[" else c for c in name)


def _never_hang() -> None:
    """Give a time limit to the requests that the hub's client makes without one (2.4: info and file listings)."""
    session = get_session()
    hooks = session.event_hooks
    if _limit not in hooks["request"]:
        session.event_hooks = {**hooks, "request": [*hooks["request"], _limit]}


def _limit(request: Request) -> None:
    given = request.extensions.get("timeout") or {}
    kinds = ("connect", "read", "write", "pool")
    limit = constants.HF_HUB_DOWNLOAD_TIMEOUT
    request.extensions["timeout"] = {kind: limit if given.get(kind) is None else given[kind] for kind in kinds}
