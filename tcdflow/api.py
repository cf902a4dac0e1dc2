"""The library: what the command line does, for programs and notebooks."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tcdflow.engine.result import Result
    from tcdflow.engine.warm import WarmEngine
    from tcdflow.spec.model import RunSpec


def compose(*overrides: str, config_dir: str | Path | None = None) -> RunSpec:
    """Compose a :class:`RunSpec` from Hydra overrides, exactly as the command line does.

    Args:
        overrides: such as ``"base=sdxl"``, ``"prompt=a red fox"``, ``"sampling.steps=8"``.
        config_dir: a directory laid out like ``conf/`` whose files add to tcdflow's own.

    Raises:
        ConfigError: with every violation found.
    """
    from tcdflow.config.compose import Composer

    return Composer(config_dir).compose(overrides).spec


def run(*overrides: str, config_dir: str | Path | None = None) -> Result:
    """Make the images of a run, and leave its directory, exactly as the command line does.

    The pipeline stays loaded for the next call. ``hydra.run.dir=...`` among the overrides chooses the directory.

    Args:
        overrides: as in :func:`compose`.
        config_dir: as in :func:`compose`.

    Raises:
        RequestError: if the request is wrong; nothing was written.
        RunError: if the run failed; its record says why.
    """
    from tcdflow.config.compose import Composer
    from tcdflow.config.run_output import RunOutput
    from tcdflow.request.prepare import prepare
    from tcdflow.request.request import Request
    from tcdflow.request.run import run_single

    composition = Composer(config_dir).compose(overrides)
    prepared = prepare(Request.composed(composition))
    return run_single(prepared, RunOutput.of(composition.config), _engine(), logs=False)


@cache
def _engine() -> WarmEngine:
    from tcdflow.engine.warm import WarmEngine

    return WarmEngine()
