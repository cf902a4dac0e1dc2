"""How a hub can fail, on demand."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

FaultKind = Literal[
    "unauthorized",  # 401
    "forbidden",  # 403
    "gated",  # 403, with the code that says so
    "no repo",  # 404
    "no revision",  # 404
    "no entry",  # 404
    "too many",  # 429
    "error 500",
    "error 503",
    "hang",  # accepts the request and never answers
    "close",  # closes the connection half-way through the body
    "stall",  # sends half of the body, and then nothing more
    "slow",  # sends the body in pieces
    "other bytes",  # as many as promised
    "fewer bytes",  # than the metadata promise, in a well-formed answer
    "web page",  # 200, and the log-in page of a hotel
]

STATUS: dict[FaultKind, tuple[int, str, str]] = {
    "unauthorized": (401, "", "Invalid username or password."),
    "forbidden": (403, "", "You do not have the right."),
    "gated": (403, "GatedRepo", "Access to this model is restricted and you are not in the authorized list."),
    "no repo": (404, "RepoNotFound", "Repository not found"),
    "no revision": (404, "RevisionNotFound", "Invalid rev id"),
    "no entry": (404, "EntryNotFound", "Entry not found"),
    "too many": (429, "", "We had to rate limit you."),
    "error 500": (500, "", "Internal Error - We're working hard to fix this as soon as possible!"),
    "error 503": (503, "", "Service Unavailable"),
}
"""Status, ``X-Error-Code`` and ``X-Error-Message`` of the faults that are plain answers."""


@dataclass
class Fault:
    """A fault of requests whose ``METHOD /path`` matches a pattern, for a number of times or for ever."""

    kind: FaultKind
    where: str = ""
    times: int | None = None

    def strikes(self, method: str, path: str) -> bool:
        """Say whether this request fails, and count it."""
        if self.times == 0 or not re.search(self.where, f"{method} {path}"):
            return False
        if self.times is not None:
            self.times -= 1
        return True
