"""The arguments of a verb: its usage, description and worked examples; a mistake is answered like any other."""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any, NoReturn

from tcdflow.cli.verbs import HELP
from tcdflow.errors import ConfigError, Problem
from tcdflow.spec.nearest import nearest

Examples = tuple[tuple[str, str], ...]
"""Commands, each with what it does."""


class Arguments(argparse.ArgumentParser):
    """An argument parser of one verb.

    Args:
        verb: its name; empty for runs and sweeps, which have none.
        description: what it does.
        examples: commands that show it.
    """

    def __init__(self, verb: str, description: str, examples: Examples) -> None:
        lines = [line for command, meaning in examples for line in (f"  {command}", f"      {meaning}")]
        super().__init__(
            prog=f"tcdflow {verb}".strip(),
            description=description if "\n" in description else textwrap.fill(description, 100),
            epilog="\n".join(["examples:", *lines]),
            formatter_class=partial(argparse.RawDescriptionHelpFormatter, width=100, max_help_position=30),
            add_help=False,
        )
        self._added: list[argparse.Action] = []
        self._known: dict[str, tuple[str, ...]] = {}
        self.add_argument(*HELP, action="store_true", help="show this help")
        self.examples = examples
        self.verb = verb
        self._argv: Sequence[str] = ()

    def add_argument(self, *args: Any, known: Iterable[str] = (), **kwargs: Any) -> argparse.Action:
        """Add an argument, as :class:`argparse.ArgumentParser` does.

        Args:
            *args: as there.
            known: some of the values that it may have, for completion.
            **kwargs: as there.
        """
        self._added.append(action := super().add_argument(*args, **kwargs))
        self._known[action.dest] = tuple(known)
        return action

    def read(self, argv: Sequence[str]) -> argparse.Namespace:
        """Parse arguments, flags before, between or after the others.

        Raises:
            ConfigError: if they are wrong.
        """
        self._argv = argv
        return self.parse_intermixed_args(list(argv))

    def error(self, message: str) -> NoReturn:
        """Refuse the arguments.

        Raises:
            ConfigError: always.
        """
        flag = next((text for text in self._argv if text.startswith("-") and text in message), None)
        known = [name for action in self._added for name in action.option_strings if name.startswith("--")]
        near = nearest(flag, known) if flag and flag.startswith("--") and flag not in known else None
        what = f"{message}; see {self.prog} --help"
        raise ConfigError([Problem(flag or self.verb or "command line", what, nearest=near)])

    def choices(self) -> tuple[str, ...]:
        """Return words that its arguments may be, flags aside."""
        return tuple(word for action in self._added if not action.option_strings for word in self.values(action))

    def values(self, action: argparse.Action) -> tuple[str, ...]:
        """Return the values that an argument may have: all if they are fixed, else those that are known."""
        return tuple(map(str, action.choices or ())) or self._known.get(action.dest, ())

    def flags(self) -> list[argparse.Action]:
        """Return the flags that its help shows."""
        return [action for action in self._added if action.option_strings and action.help != argparse.SUPPRESS]
