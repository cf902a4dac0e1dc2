"""The engine, made on first use."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tcdflow.engine.interrupts import Delayed

if TYPE_CHECKING:
    from tcdflow.engine.engine import Engine


@dataclass
class WarmEngine:
    """Makes the engine on first use, so that nothing heavy is imported before. Attributes as of ``Engine``.

    Attributes:
        lasting: whether the process goes on after a Ctrl-C, which then waits for the imports.
        asked: whether somebody wanted the engine since this was last set to False.
    """

    reusable: bool = True
    on_loaded: Callable[[], None] | None = None
    lasting: bool = False
    asked: bool = False
    _engine: Engine | None = field(default=None, repr=False)

    def __call__(self) -> Engine:
        """Return the engine, importing torch if need be."""
        self.asked = True
        if self._engine is None:
            with Delayed() if self.lasting else nullcontext():
                from tcdflow.engine.engine import Engine

            self._engine = Engine(reusable=self.reusable, on_loaded=self.on_loaded)
        return self._engine

    def close(self) -> None:
        """Release what is loaded; the next run loads it again."""
        if self._engine is not None:
            self._engine.close()
