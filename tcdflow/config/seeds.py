"""``sampling.seed=random``: a seed that is drawn once, before anything is composed, and is a number from then on."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field
from typing import Any

from omegaconf import DictConfig, OmegaConf

from tcdflow.errors import ConfigError, Problem

KEY, WORD = "sampling.seed", "random"
MOST = 10_000
_BELOW = 2**32

_OVERRIDE = re.compile(rf"^(\+{{0,2}}{re.escape(KEY)}=)(.*)$", re.DOTALL)
_RANDOM = re.compile(r"(?<![\w'\"])random(?:\((\d{1,9})\)|(?!\w|\())")


@dataclass
class RandomSeeds:
    """The seeds that one command draws.

    Attributes:
        drawn: all of them, in order.
    """

    drawn: list[int] = field(default_factory=list)
    _of_file: int | None = None
    _told: dict[str, str] = field(default_factory=dict)

    def override(self, text: str) -> str:
        """Return an override with numbers in it: one for each ``random``, and N of them for ``random(N)``.

        The same text has the same numbers, however often it is read.

        Raises:
            ConfigError: if it asks for none or too many.
        """
        found = _OVERRIDE.match(text)
        if found is None:
            return text
        if text not in self._told:
            self._told[text] = found[1] + _RANDOM.sub(lambda word: self._numbers(word, text), found[2])
        return self._told[text]

    @staticmethod
    def asked(text: str) -> bool:
        """Say whether an override asks for random seeds."""
        found = _OVERRIDE.match(text)
        return found is not None and _RANDOM.search(found[2]) is not None

    def fill(self, config: DictConfig) -> None:
        """Put a number in the place of the ``random`` that a file says: one for all that this command composes."""
        sampling: Any = config.get("sampling")
        plain: Any = OmegaConf.to_container(sampling, resolve=False) if isinstance(sampling, DictConfig) else {}
        if plain.get("seed") == WORD:
            if self._of_file is None:
                self._of_file = self._draw()
            OmegaConf.update(config, KEY, self._of_file, force_add=True)

    def _numbers(self, word: re.Match[str], text: str) -> str:
        count = 1 if word[1] is None else int(word[1])
        if not 1 <= count <= MOST:
            raise ConfigError([Problem(KEY, f"random(N) draws 1 to {MOST} seeds", origin=text)])
        return ",".join(str(self._draw()) for _ in range(count))

    def _draw(self) -> int:
        self.drawn.append(secrets.randbelow(_BELOW))
        return self.drawn[-1]
