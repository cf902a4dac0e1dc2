"""The library: what the command line does, for programs and notebooks."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tcdflow.config.compose import Composition
    from tcdflow.engine.result import Result
    from tcdflow.engine.warm import WarmEngine
    from tcdflow.spec.model import RunSpec


def compose(*overrides: str, config_dir: str | Path | None = None) -> RunSpec:
    """Compose a :class:`RunSpec` from Hydra overrides, as the command line does with ``--no-defaults``.

    Args:
        overrides: such as ``"base=sdxl"``, ``"prompt=a red fox"``, ``"sampling.steps=8"``; one may be the path of a
            YAML that is run as an experiment, ``"mine.yaml"``.
        config_dir: a directory laid out like ``conf/`` whose files add to tcdflow's own.

    Raises:
        ConfigError: with every violation found.
    """
    return _composed(overrides, config_dir).spec


def run(*overrides: str, config_dir: str | Path | None = None) -> Result:
    """Make the images of a run, and leave its directory, as the command line does with ``--no-defaults``.

    The pipeline stays loaded for the next call. ``hydra.run.dir=...`` among the overrides chooses the directory.

    Args:
        overrides: as in :func:`compose`.
        config_dir: as in :func:`compose`.

    Raises:
        RequestError: if the request is wrong; nothing was written.
        RunError: if the run failed; its record says why.
    """
    from tcdflow.config.run_output import RunOutput
    from tcdflow.request.prepare import prepare
    from tcdflow.request.request import Request
    from tcdflow.request.run import run_single

    composition = _composed(overrides, config_dir)
    prepared = prepare(Request.composed(composition))
    return run_single(prepared, RunOutput.of(composition.config), _engine(), logs=False)


def _composed(overrides: Sequence[str], config_dir: str | Path | None) -> Composition:
    from tcdflow.config import named
    from tcdflow.config.compose import Composer

    words = named.read(overrides)
    return Composer(config_dir or words.beside, experiment=words.file).compose(words.overrides)


@cache
def _engine() -> WarmEngine:
    from tcdflow.engine.warm import WarmEngine

    return WarmEngine()
