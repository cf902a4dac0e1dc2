"""Gives requests to the command line in this process, and says what is wrong with an answer."""

from __future__ import annotations

import errno
import io
import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tcdflow.cli.command import dispatch

HEAVY = frozenset({"torch", "diffusers", "transformers", "peft", "accelerate", "cv2"})
_LINE = re.compile(r"(?P<key>.+?)(?: = .*?)?: .+|unknown (command or )?override '.*")
_WARNING = "tcdflow: warning: "
_FETCH = "tcdflow: this fetches what is missing: "
_CHANGES = {f"os.{name}" for name in ("mkdir", "rename", "remove", "rmdir", "symlink", "link", "truncate", "chmod")}
_EFFECTS = {"os.putenv", "os.unsetenv", "os.chdir", "subprocess.Popen", "os.system", "os.exec", "os.fork"}
_KNOWN = ("task        ", "sweep       the first of its cells:\ntask        ")
"""How ``check`` begins to say what it knows of a run whose files it cannot find."""
_FALLBACK = "configuration"
_seen: list[str] | None = None
_allowed: tuple[str, ...] = ()


class Runs(BaseException):
    """Raised where a request is about to be run: it was right."""


@dataclass(frozen=True)
class Answer:
    """What a command line answered."""

    status: int | None
    out: str
    err: str
    did: tuple[str, ...]


def _audit(event: str, args: tuple[Any, ...]) -> None:
    """Note what a request does to the world beside it."""
    if _seen is None:
        return
    if event == "open":
        path, _, flags = args
        if isinstance(path, str | bytes) and (flags or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            _note(event, os.fsdecode(path))
    elif event in _CHANGES:
        _note(event, os.fsdecode(args[0]))
    elif event in _EFFECTS:
        _seen.append(f"{event} {args[0]!r}")
    elif event in ("socket.connect", "socket.getaddrinfo", "socket.bind"):
        raise OSError(errno.ENETUNREACH, os.strerror(errno.ENETUNREACH))  # an image may be at a URL; not here
    elif event == "import" and args[0].partition(".")[0] in HEAVY:
        _seen.append(f"import {args[0]}")


def _note(event: str, path: str) -> None:
    assert _seen is not None
    if not path.startswith(_allowed) and "/__pycache__" not in path:  # of what is imported for the first time
        _seen.append(f"{event} {path}")


sys.addaudithook(_audit)


@contextmanager
def _watched(allowed: Sequence[Path]) -> Iterator[list[str]]:
    global _seen, _allowed
    _seen, _allowed = [], (*(str(path) for path in allowed), "/dev/null")
    try:
        yield _seen
    finally:
        _seen = None


def ask(argv: Sequence[str], allowed: Sequence[Path] = ()) -> Answer:
    """Give a command line to ``dispatch``.

    Args:
        argv: its arguments.
        allowed: directories in which it may write.
    """
    streams = [io.TextIOWrapper(io.BytesIO(), "utf-8", errors="strict", newline="") for _ in range(2)]
    before = dict(os.environ)
    cache = Path(os.environ["TCDFLOW_CACHE"])
    try:
        with redirect_stdout(streams[0]), redirect_stderr(streams[1]), _watched([cache, *allowed]) as seen:
            status = dispatch(argv)
    except Runs:
        status = None
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else 1
    if dict(os.environ) != before:
        seen.append("environment")
    for stream in streams:
        stream.flush()
    out, err = (stream.buffer.getvalue().decode() for stream in streams)
    return Answer(status, out, err, tuple(seen))


def wrong_with(answer: Answer, longest: int = 0) -> str | None:
    """Say how an answer breaks the contract, or None: it ran, or was refused in so many lines that name keys.

    Args:
        answer: the answer.
        longest: characters of the longest argument, which may be a path.
    """
    if answer.did:
        return f"it did {answer.did}"
    lines = [line for line in answer.err.split("\n")[:-1] if not line.startswith(_FETCH)]
    if odd := [line for line in (*lines, *answer.out.split("\n")) if not line.replace("\t", "").isprintable()]:
        return f"it said what a terminal may obey: {odd[0]!r}"
    if answer.status in (None, 0):
        return None
    if _WARNING in answer.err:  # of several lines, some of them
        last = max(number for number, line in enumerate(lines) if line.startswith(_WARNING))
        lines = lines[next((n for n in range(last + 1, len(lines)) if lines[n].startswith("tcdflow: ")), last) :]
    if answer.status != 2:
        return f"its status is {answer.status}: {answer.err[-2000:]}"
    if answer.out and not answer.out.startswith(_KNOWN):
        return f"it was wrong and said {answer.out[:300]!r}"
    if not answer.err.endswith("\n") or not lines or not lines[0].startswith("tcdflow: "):
        return f"it said {answer.err[:300]!r}"
    first, *rest = lines
    if many := re.fullmatch(r"tcdflow: (\d+) things are wrong:", first):
        if int(many[1]) != len(rest) or not all(line.startswith("  ") for line in rest):
            return f"it counts {many[1]} of {answer.err[:600]!r}"
    elif rest:
        return f"it said more than a line: {answer.err[:600]!r}"
    told = [line.removeprefix("  ") for line in rest] or [first.removeprefix("tcdflow: ")]
    for line in told:
        match = _LINE.fullmatch(line)
        if not match or match["key"] == _FALLBACK:
            return f"it names no key: {line!r}"
        if len(line) > 3000 + longest:
            return f"it says too much: {line[:300]!r}"
    return None
