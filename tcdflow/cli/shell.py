"""``tcdflow shell``: commands line by line in one process, whose pipeline stays loaded."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, cast

from tcdflow.cli import in_turn, made
from tcdflow.cli.arguments import Arguments
from tcdflow.cli.command import message
from tcdflow.cli.signals import INTERRUPTED
from tcdflow.cli.verbs import VERBS
from tcdflow.errors import ConfigError, Problem, RequestError
from tcdflow.text import about, printable, reason

if TYPE_CHECKING:
    from tcdflow.engine.warm import WarmEngine

EXAMPLES = (
    ("tcdflow shell", "a prompt with history and completion; the second image needs no imports and no loading"),
    ("tcdflow shell lines.txt", "run the lines of a file, one after the other"),
)
_ABOUT = """\
Runs commands line by line in one process: what you would type after "tcdflow", at a prompt, from a file or from
standard input.
The model stays loaded from line to line, and every image is, bit for bit, that of a process of its own.

Beside all commands and overrides there are:
  set [OVERRIDE ...]   add overrides to each line that takes some, until unset; alone: show them;
                       what tcdflow check would refuse is not set
  unset [KEY ...]      take them back; alone: all
  last                 show the images of the last line that made some
  exit                 leave, as Ctrl-D does; Ctrl-C stops the line that runs
Blank lines, and lines that begin with #, are skipped. The exit status is that of the last line that failed."""
PROMPT = "tcdflow> "


def parser() -> Arguments:
    """Return the parser of its arguments."""
    parser = Arguments("shell", _ABOUT, EXAMPLES)
    parser.add_argument("file", nargs="?", type=Path, metavar="FILE", help="read lines from this file")
    return parser


def main(argv: Sequence[str]) -> int:
    """Run lines until there are no more, or one says exit."""
    file: Path | None = parser().read(argv).file
    from tcdflow.cli.engines import shared

    typed = file is None and sys.stdin.isatty()
    lines = _typed() if typed else _read(file)
    with shared() as engine:
        shell = Shell(engine)
        for number, line in enumerate(lines, 1):
            words = _words(line)
            if words in (["exit"], ["quit"]):
                break
            status = shell.run(words)
            if status and not typed:
                print(f"tcdflow: line {number} ended with status {status}", file=sys.stderr)
            if status == INTERRUPTED and not typed:
                break
    return 0 if typed else shell.status


def _read(file: Path | None) -> Iterable[str]:
    """Return the lines of a file or of standard input.

    Raises:
        RequestError: if the file cannot be read.
    """
    if file is None:
        return sys.stdin
    try:
        return file.read_text("utf-8").splitlines()
    except OSError as error:
        raise RequestError(about(file, f"cannot be read: {error.strerror}")) from None
    except UnicodeDecodeError as error:
        raise RequestError(about(file, f"cannot be read: {reason(error)}")) from None


def _words(line: str) -> list[str] | str:
    """Return a line's words as a POSIX shell has them, without ``tcdflow`` in front; or what is wrong with it."""
    if line.lstrip().startswith("#"):
        return []
    try:
        words = shlex.split(line)
    except ValueError as error:
        return f"{error}".lower()
    return words[1:] if words[:1] == ["tcdflow"] else words


def _typed() -> Iterator[str]:
    """Yield the lines that somebody types."""
    from tcdflow.cli.typed import lines

    return lines(PROMPT)


@dataclass
class Shell:
    """What stays from line to line.

    Attributes:
        engine: used by all lines.
        kept: overrides of each line, by key.
        status: of the last line that failed.
        images: those of the last line that made some.
    """

    engine: WarmEngine
    kept: dict[str, str] = field(default_factory=dict)
    status: int = 0
    images: list[Path] = field(default_factory=list)

    def run(self, words: list[str] | str) -> int:
        """Run a line, and return its exit status. A Ctrl-C that comes as it ends has stopped nothing but it."""
        try:
            return self._run(words)
        except KeyboardInterrupt:
            self.status = INTERRUPTED
            return INTERRUPTED

    def _run(self, words: list[str] | str) -> int:
        status = self._own(words) if isinstance(words, str) or words[:1] in (["set"], ["unset"], ["last"]) else None
        if status is None:
            status = self._command(cast("list[str]", words)) if words else 0
        sys.stdout.flush()  # before the next line writes to stderr
        self.status = status or self.status
        return status

    def _own(self, words: list[str] | str) -> int:
        """Do what only a shell knows."""
        try:
            if isinstance(words, str):
                raise ConfigError([Problem("line", words)])
            getattr(self, f"_{words[0]}")(words[1:])
        except ConfigError as error:
            print(message(error), file=sys.stderr)
            return error.exit_status
        return 0

    def _set(self, words: list[str]) -> None:
        for word in words:
            if "=" not in word:
                raise ConfigError([Problem("set", "takes overrides, such as sampling.steps=8", word)])
        if not words:
            for word in self.kept.values():
                print(printable(shlex.quote(word)))
            return
        from tcdflow.cli import settable

        kept = self.kept | {_key(word): word for word in words}
        settable.refuse(list(kept.values()))
        self.kept = kept

    def _unset(self, words: list[str]) -> None:
        if unknown := [word for word in words if _key(word) not in self.kept]:
            raise ConfigError([Problem(unknown[0], "is not set; set alone shows what is")])
        for key in [_key(word) for word in words] or list(self.kept):
            del self.kept[key]

    def _last(self, words: list[str]) -> None:
        if words:
            raise ConfigError([Problem("last", "takes no arguments")])
        if not self.images:
            raise ConfigError([Problem("last", "no line has made an image yet")])
        for path in self.images:
            print(printable(str(path)))

    def _command(self, words: list[str]) -> int:
        if words[0] == "shell":
            return self._own("'shell' runs in no other shell")
        status = in_turn.run(self._with_kept(words), self.engine)
        self.images = made.take() or self.images
        return status

    def _with_kept(self, words: list[str]) -> list[str]:
        """Return a line's words with the overrides that were set, but for keys that it sets itself."""
        verb = VERBS.get(words[0])
        rest = words[1:] if verb else words
        paths = verb is not None and rest[:1] != [] and "=" not in rest[0] and not rest[0].startswith("-")
        if verb and ("overrides" not in verb.takes or paths):
            return words
        own = {_key(word) for word in rest if "=" in word}
        kept = [word for key, word in self.kept.items() if key not in own]
        return [*words, *kept]


def _key(word: str) -> str:
    return word.partition("=")[0].lstrip("+~")
