"""The hub client's session, with a time limit over each of its requests, and an end to all of them on Ctrl-C."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from httpx2 import Request
from huggingface_hub import constants, get_session

from tcdflow.files.deadlines import Backend, Clock
from tcdflow.libraries.httpx2 import connect_by

T = TypeVar("T")

_PHASES = ("connect", "read", "write", "pool")
_BACKEND = Backend()


def limit_requests() -> None:
    """Limit how long the requests of the hub's client take.

    Its 2.4 asks for a repository's commit and files without any limit, and retries a file's head with one of a minute.
    """
    _BACKEND.stopped.clear()
    session = get_session()
    hooks = session.event_hooks
    if _limit not in hooks["request"]:
        connect_by(session, _BACKEND)
        session.event_hooks = {**hooks, "request": [*hooks["request"], _limit]}


def interruptible(call: Callable[[], T]) -> T:
    """Call the hub's client where it waits for threads of its own: Ctrl-C ends their requests, and is raised at once.

    Args:
        call: calls it.
    """
    answer: Future[T] = Future()

    def work() -> None:
        try:
            answer.set_result(call())
        except BaseException as error:
            answer.set_exception(error)

    threading.Thread(target=work, name="hub", daemon=True).start()
    try:
        return answer.result()
    except KeyboardInterrupt:
        _BACKEND.stop()
        raise


def _limit(request: Request) -> None:
    """Limit each phase of a request as the client's setting says, and all until its body begins to twice that."""
    given = request.extensions.get("timeout") or {}
    most = constants.HF_HUB_DOWNLOAD_TIMEOUT
    request.extensions["timeout"] = {phase: min(given.get(phase) or most, most) for phase in _PHASES}
    request.extensions["trace"] = Clock(2 * most).trace
