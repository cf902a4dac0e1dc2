"""The arguments of a verb that has its own; a mistake in them is answered like any other."""

from __future__ import annotations

import argparse
from typing import NoReturn

from tcdflow.errors import ConfigError, Problem


class Arguments(argparse.ArgumentParser):
    """An argument parser of one verb.

    Args:
        verb: its name.
        description: what it does, for its ``--help``.
    """

    def __init__(self, verb: str, description: str | None) -> None:
        super().__init__(prog=f"tcdflow {verb}", description=description)
        self._verb = verb

    def error(self, message: str) -> NoReturn:
        """Refuse the arguments.

        Raises:
            ConfigError: always.
        """
        raise ConfigError([Problem(self._verb, f"{message}; see {self.prog} --help")])
