"""What ``set`` takes in a shell: overrides that a line could run with, answered as ``tcdflow check`` would."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tcdflow.cli import check, flags
from tcdflow.config.axes import ends
from tcdflow.config.distill import DistillComposer
from tcdflow.config.permission import permitted
from tcdflow.errors import ConfigError, Problem


def refuse(words: Sequence[str]) -> None:
    """Refuse overrides that no run, sweep or distillation takes; a key that is required may come with a line.

    Raises:
        ConfigError: with what is wrong with them.
    """
    args = flags.read(check.parser(), words)
    composer = flags.composer(args)
    overrides: list[str] = args.overrides

    def sweep() -> None:
        for texts in ends(composer, permitted(overrides)[1]):
            composer.compose(texts, of_sweep=True)

    found = _wrong(lambda: composer.compose(overrides))
    if any(problem.kind == "several values" for problem in found):
        found = _wrong(sweep)
    if found and _wrong(lambda: DistillComposer(args.config_dir).distillation(overrides)):
        raise ConfigError(found)


def _wrong(compose: Callable[[], object]) -> list[Problem]:
    try:
        compose()
    except ConfigError as error:
        return [problem for problem in error.problems if problem.kind != "missing"]
    return []
