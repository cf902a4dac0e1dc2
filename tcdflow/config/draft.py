"""A composed config before it is typed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from omegaconf import DictConfig

from tcdflow.config.overrides import ParsedOverride
from tcdflow.spec.sweep import SweepSpec
from tcdflow.spec.tracker import UNTRACKED, Tracking


@dataclass(frozen=True)
class Draft:
    """A composed run before it is typed.

    Attributes:
        plain: the resolved config.
        sweep: what it says of a sweep.
        parsed: the overrides, parsed.
        referenced: keys that interpolations name: to change one of them changes others.
        config: Hydra's composed config.
        lock: lock file that pins its sources, if any.
        tracking: what is told of it.
    """

    plain: dict[str, Any]
    sweep: SweepSpec
    parsed: tuple[ParsedOverride, ...]
    referenced: frozenset[str]
    config: DictConfig = field(repr=False, compare=False)
    lock: str | None = None
    tracking: Tracking = UNTRACKED
