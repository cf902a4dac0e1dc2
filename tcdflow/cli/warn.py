"""Warnings and remarks on the terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

from tcdflow.text import printable

_SHOWN = 8


def warn(texts: Iterable[str]) -> None:
    """Say what is probably not meant."""
    for text in texts:
        print(f"tcdflow: warning: {printable(text)}", file=sys.stderr)


def tell_seeds(drawn: Sequence[int]) -> None:
    """Say which seeds were drawn for ``sampling.seed=random``."""
    if drawn:
        more = f" and {len(drawn) - _SHOWN} more" if len(drawn) > _SHOWN else ""
        print(f"tcdflow: sampling.seed={','.join(map(str, drawn[:_SHOWN]))}{more} (random)", file=sys.stderr)
