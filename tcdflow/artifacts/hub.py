"""A hub repository at one commit, through ``huggingface_hub``: its cache, tokens, offline mode and retries."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from httpx2 import HTTPError
from huggingface_hub import HfApi, constants, snapshot_download
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
    RevisionResolutionError,
)
from huggingface_hub.hf_api import RepoFile

from tcdflow.artifacts.source import PICKLES
from tcdflow.errors import SourceError


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
        with _one_line(repo, revision):
            return cls(repo, HfApi().resolve_revision(repo, revision=revision).resolved)

    def listing(self) -> tuple[str, ...]:
        """Return the names of all files at the commit; where the hub is out of reach, of those in the cache."""
        if not constants.HF_HUB_OFFLINE:
            try:
                with _one_line(self.repo, self.revision):
                    tree = HfApi().list_repo_tree(self.repo, revision=self.revision, recursive=True)
                    return tuple(sorted(item.path for item in tree if isinstance(item, RepoFile)))
            except SourceError:
                if not self._cached().is_dir():
                    raise
        return tuple(sorted(f.relative_to(self._cached()).as_posix() for f in self._cached().rglob("*") if f.is_file()))

    def fetch(self, names: tuple[str, ...]) -> Path:
        """Download the named files, unless they are cached, and return the snapshot's folder.

        Raises:
            SourceError: if a file cannot be had.
        """
        with _one_line(self.repo, self.revision):
            folder = Path(
                snapshot_download(
                    self.repo,
                    revision=self.revision,
                    allow_patterns=[_literally(name) for name in names],
                    ignore_patterns=[f"*{suffix}" for suffix in PICKLES if not any(n.endswith(suffix) for n in names)],
                )
            )
        missing = [name for name in names if not (folder / name).is_file()]
        if missing:
            raise SourceError(
                f"'{self.repo}': {missing[0]} is not in the local cache"
                + (" and HF_HUB_OFFLINE is set; unset it to download" if constants.HF_HUB_OFFLINE else "")
            )
        return folder

    def _cached(self) -> Path:
        folder = "--".join(["models", *self.repo.split("/")])
        return Path(constants.HF_HUB_CACHE) / folder / "snapshots" / self.revision


def _literally(name: str) -> str:
    """Escape a file name for the hub's fnmatch patterns."""
    return "".join(f"[{c}]" if c in "*?[" else c for c in name)


@contextmanager
def _one_line(repo: str, revision: str | None) -> Iterator[None]:
    """Turn the hub's errors into one line that says what to do. Order matters: a gated repo is also "not found"."""
    at = f"'{repo}'" + (f" at {revision}" if revision else "")
    try:
        yield
    except GatedRepoError:
        what = (
            f"is gated: accept its terms on its page at {constants.ENDPOINT}/{repo}, then log in with `hf auth login`"
        )
    except RepositoryNotFoundError:
        what = "there is no such repository, or it is private and you are not logged in (`hf auth login`)"
    except RevisionNotFoundError:
        what = "the repository has no such revision"
    except (OfflineModeIsEnabled, LocalEntryNotFoundError, RevisionResolutionError):
        offline = "HF_HUB_OFFLINE is set" if constants.HF_HUB_OFFLINE else "the hub cannot be reached"
        what = f"is not in the local cache and {offline}"
    except EntryNotFoundError as error:
        what = _short(error)
    except HfHubHTTPError as error:
        what = f"the hub answered {error.response.status_code}: {_short(error)}"
    except HTTPError as error:
        what = f"the hub cannot be reached ({type(error).__name__}: {_short(error)})"
    else:
        return
    raise SourceError(f"{at}: {what}")


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
