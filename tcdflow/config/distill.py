"""From overrides to a :class:`DistillSpec`, as :mod:`tcdflow.config.compose` does for runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from omegaconf import DictConfig

from tcdflow.config.compose import Composer
from tcdflow.config.permission import permitted
from tcdflow.spec import distill_rules
from tcdflow.spec.distill import DistillSpec
from tcdflow.spec.tracker import UNTRACKED, Tracking
from tcdflow.spec.types import Settings

CONFIG_NAME = "distillation"


@dataclass(frozen=True)
class DistillComposition:
    """A composed distillation.

    Attributes:
        spec: what it is.
        overrides: as the user wrote them.
        choices: the option chosen of each group.
        config: Hydra's composed config, its own ``hydra`` node included.
        lock: lock file that pins its sources, if any.
        tracking: what is told of it.
        allow_pickle: whether the user lets pickled weights be read.
        fetch: whether the user lets addresses be asked that files of others name.
    """

    spec: DistillSpec
    overrides: tuple[str, ...]
    choices: dict[str, Any]
    config: DictConfig = field(repr=False, compare=False)
    lock: str | None = None
    tracking: Tracking = UNTRACKED
    allow_pickle: bool = False
    fetch: bool = False


class DistillComposer(Composer):
    """Composes distillations from tcdflow's configs and a user's own.

    Args:
        config_dir: a directory laid out like ``conf/``.
        experiment: a YAML that is chosen by its name, wherever it lies.
        fetch: whether the user lets addresses be asked that files of others name.
    """

    model: ClassVar[type[Settings]] = DistillSpec

    def __init__(
        self, config_dir: str | Path | None = None, *, experiment: Path | None = None, fetch: bool = False
    ) -> None:
        super().__init__(config_dir, experiment=experiment, config_name=CONFIG_NAME, fetch=fetch)

    def distillation(self, overrides: Sequence[str] = ()) -> DistillComposition:
        """Compose, type and judge a distillation.

        Raises:
            ConfigError: with every violation found.
        """
        allow_pickle, others = permitted(overrides)
        draft, problems = self.begun(others)
        spec = self.judged(DistillSpec, distill_rules.problems, draft.plain, draft.parsed, problems)
        if problems or spec is None:
            raise self.error(problems)
        choices = self.choices(draft.config)
        return DistillComposition(
            spec,
            tuple(overrides),
            choices,
            draft.config,
            draft.lock,
            draft.tracking,
            allow_pickle,
            self.fetch,
        )
