"""Lines that somebody types at a prompt, with history and completion from the same tables as a shell's."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from tcdflow.cli.candidates import at_cursor
from tcdflow.cli.signals import forget
from tcdflow.files.hashes import cache_dir

_KEPT = 1000
_WORD_ENDS = " \t\n\"'"


def lines(prompt: str) -> Iterator[str]:
    """Yield lines until the end of input; Ctrl-C drops the line that is being typed.

    The history stays in the user's cache, for their eyes alone: prompts may be private.
    """
    with _editing():
        while True:
            try:
                yield input(prompt)
            except KeyboardInterrupt:
                forget()
                print()
            except EOFError:
                print()
                return


@contextlib.contextmanager
def _editing() -> Iterator[None]:
    try:
        import readline
    except ImportError:  # a Python that was built without
        yield
        return
    file = cache_dir() / "shell_history"
    readline.set_completer_delims(_WORD_ENDS)
    readline.set_completer(_Completer())
    binding = "bind ^I rl_complete" if "libedit" in (readline.__doc__ or "") else "tab: complete"
    readline.parse_and_bind(binding)
    readline.set_history_length(_KEPT)
    with contextlib.suppress(OSError):
        readline.read_history_file(file)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            file.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(file, os.O_CREAT | os.O_WRONLY | os.O_NOFOLLOW, 0o600))
            readline.write_history_file(file)


class _Completer:
    """What readline asks at a Tab: the first, the second, … completion, until None."""

    def __init__(self) -> None:
        self._found: list[str] = []

    def __call__(self, text: str, number: int) -> str | None:
        import readline

        if number == 0:
            try:
                self._found = at_cursor(f"tcdflow {readline.get_line_buffer()[: readline.get_endidx()]}")
            except Exception:  # a Tab says nothing of what is wrong
                self._found = []
        return self._found[number] if number < len(self._found) else None
