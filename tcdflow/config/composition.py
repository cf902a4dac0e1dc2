"""A composed run: its spec, and what the config says beside it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from omegaconf import DictConfig

from tcdflow.config.personal import PersonalDefaults
from tcdflow.spec.model import RunSpec
from tcdflow.spec.sweep import SweepSpec
from tcdflow.spec.tracker import UNTRACKED, Tracking


@dataclass(frozen=True)
class Composition:
    """A composed run.

    Attributes:
        spec: what the run is.
        overrides: as the user wrote them.
        choices: the option chosen of each group, e.g. ``{"base": "emoji", "loras": ["tcd"]}``.
        warnings: what composing it showed to be probably not meant; the spec's own are :func:`rules.warnings`.
        config: Hydra's composed config, its own ``hydra`` node included.
        sweep: what the config says of a sweep.
        lock: lock file that pins its sources, if any.
        tracking: what is told of it.
        allow_pickle: whether the user lets pickled weights be read.
        fetch: whether the user lets addresses be asked that files of others name.
        personal: the personal defaults that it was composed with, if any.
    """

    spec: RunSpec
    overrides: tuple[str, ...]
    choices: dict[str, Any]
    warnings: tuple[str, ...]
    config: DictConfig = field(repr=False, compare=False)
    sweep: SweepSpec = field(default_factory=SweepSpec)
    lock: str | None = None
    tracking: Tracking = UNTRACKED
    allow_pickle: bool = False
    fetch: bool = False
    personal: PersonalDefaults | None = None
