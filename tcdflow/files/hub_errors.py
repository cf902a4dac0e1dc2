"""Errors of the hub as one line that says what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from httpx2 import ConnectError, HTTPError, TimeoutException
from huggingface_hub import constants
from huggingface_hub.errors import (
    DisabledRepoError,
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
    RevisionResolutionError,
)

from tcdflow.errors import NotHereError, SourceError
from tcdflow.files.hub_logging import terse
from tcdflow.text import reason

OFFLINE = ", and HF_HUB_OFFLINE is set: unset it to download"
NOT_FETCHED = ", and the hub is asked for what only a file names with --fetch alone"
"""Why nothing is downloaded, behind what is missing."""

_LOGIN = "log in with `hf auth login`"
_NOT_HERE = (LocalEntryNotFoundError, RevisionResolutionError, OfflineModeIsEnabled)


@contextmanager
def one_line(repo: str, revision: str | None, *, cached: bool = False) -> Iterator[None]:
    """Turn whatever the hub's client raises into one line, and keep it terse meanwhile.

    Args:
        repo: that is asked for.
        revision: of it.
        cached: the hub may not be asked, whatever its client could do.

    Raises:
        NotHereError: if nothing may be downloaded.
        SourceError: in place of any other exception.
    """
    try:
        with terse(repo):
            yield
    except SourceError:
        raise
    except Exception as error:  # from another's code, which talks to a network: it can be anything
        offline = constants.is_offline_mode()
        if cached and not offline:
            raise NotHereError(f"is not in the local cache{NOT_FETCHED}") from error
        wanting = isinstance(error, _NOT_HERE) and offline
        raise (NotHereError if wanting else SourceError)(explain(error, repo, revision)) from error


def explain(error: BaseException, repo: str, revision: str | None = None) -> str:
    """Say what an exception of ``huggingface_hub`` means and what to do. A gated repo is also "not found"."""
    match error:
        case GatedRepoError():
            return f"is gated: accept its terms at {_endpoint()}/{repo}, then {_LOGIN}"
        case DisabledRepoError():
            return f"the hub has closed this repository to everyone; its page may say why: {_endpoint()}/{repo}"
        case RepositoryNotFoundError():
            return f"the hub has no such repository, or it is private: check its name, or {_LOGIN}"
        case RevisionNotFoundError():
            return f"the repository has no branch, tag or commit '{revision or constants.DEFAULT_REVISION}'"
        case _ if isinstance(error, _NOT_HERE):
            if constants.is_offline_mode():
                return f"is not in the local cache{OFFLINE}"
            if error.__cause__ is not None:
                return explain(error.__cause__, repo, revision)
            return f"the hub cannot be reached at {_endpoint()}, and the local cache does not have it"
        case EntryNotFoundError():
            return "the repository does not have this file at this revision"
        case HfHubHTTPError():
            return _status(error)
        case TimeoutException():
            seconds = constants.HF_HUB_DOWNLOAD_TIMEOUT
            return f"the hub did not answer within {seconds} s: try again, or set HF_HUB_DOWNLOAD_TIMEOUT higher"
        case ConnectError():
            return (
                f"the hub cannot be reached at {_endpoint()}: check the network; what is cached loads with "
                "HF_HUB_OFFLINE=1"
            )
        case HTTPError():
            return f"the connection to the hub broke: try again ({reason(error)})"
        case OSError() if error.strerror:
            where = f" ({error.filename})" if error.filename else ""
            return f"cannot be stored in the hub's cache: {error.strerror}{where}"
        case OSError():
            return f"the hub sent other bytes than it promised: try again ({reason(error)})"
        case ValueError() | KeyError() | TypeError() | AssertionError():
            return f"{_endpoint()} does not answer as a hub does: check HF_ENDPOINT and the network's log-in page"
        case _:
            return f"cannot be downloaded: {type(error).__name__}: {reason(error)}"


def _status(error: HfHubHTTPError) -> str:
    status = error.response.status_code
    if status == 401:
        return f"the hub wants to know who you are, or your token is no longer valid: {_LOGIN}"
    if status == 403:
        return f"your token may not read this repository: give it that right, or {_LOGIN}"
    if status == 429:
        return "the hub has had too many requests from here (429): wait some minutes; who is logged in may ask more"
    if status >= 500:
        return f"the hub is in trouble (it answered {status}): try again later"
    return f"the hub answered {status}: {reason(error)}"


def _endpoint() -> str:
    """Return the hub's address, without a password that HF_ENDPOINT may hold."""
    parts = urlsplit(constants.ENDPOINT)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
