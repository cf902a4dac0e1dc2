"""Prepared runs, executed in a directory of their own."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tcdflow.config.run_output import RunOutput
from tcdflow.engine.result import Result
from tcdflow.errors import ConfigError, OutputError, Problem, RecordError, TcdflowError
from tcdflow.record import document
from tcdflow.record.atomic import write_text
from tcdflow.record.cleanup import remove_link, would_replace
from tcdflow.record.document import FILE_NAME
from tcdflow.record.key import run_key
from tcdflow.record.log import log_file
from tcdflow.record.rundir import RunDirectory
from tcdflow.request.execute import execute
from tcdflow.request.request import Prepared
from tcdflow.text import in_quotes, one_line

if TYPE_CHECKING:
    from tcdflow.engine.engine import Engine
    from tcdflow.engine.sampler import Step

log = logging.getLogger(__name__)


def run_single(
    prepared: Prepared,
    output: RunOutput,
    engine: Callable[[], Engine],
    on_step: Step | None = None,
    *,
    logs: bool = True,
) -> Result:
    """Execute a run where Hydra's settings say, and leave ``.hydra/`` there and, with ``logs``, ``run.log``.

    Raises:
        TcdflowError: whatever went wrong; the record says so too.
    """
    claimed = output.claimed()
    where = claimed.absolute()
    log_path = where / output.log_name
    with opened(where, prepared) as run, _log(log_path, output.verbose) if logs else nullcontext():
        if output.subdir is not None:
            _save_config(replace(output, directory=claimed), where, where / output.subdir)
        return execute(prepared, run, engine, on_step)


def run_in(
    where: Path,
    prepared: Prepared,
    engine: Callable[[], Engine],
    on_step: Step | None = None,
) -> Result:
    """Execute a run in a directory.

    Args:
        where: the directory.
        prepared: what to run.
        engine: gives the engine; called once torch may be imported.
        on_step: progress.

    Raises:
        TcdflowError: whatever went wrong; the record says so too.
    """
    with opened(where, prepared) as run:
        return execute(prepared, run, engine, on_step)


def directory_warnings(output: RunOutput, prepared: Prepared) -> Iterator[str]:
    """Yield warnings: of what is not where a run writes, and of images of another run there, which this one removes."""
    yield from output.warnings
    try:
        earlier = document.read(output.directory) if output.chosen else None
    except RecordError:
        return
    if earlier is None or not earlier.outputs or earlier.key == run_key(prepared.spec, earlier.lock):
        return
    first, others = one_line(earlier.outputs[0].file), len(earlier.outputs) - 1
    images = f"{first} and {others} more" if others else first
    what = f"{images} of another run ({in_quotes(str(earlier.spec.get('prompt')), 60)})"
    removed = f"hydra.run.dir={output.directory} holds {what}, which this one removes as it begins"
    yield f"{removed}; another directory keeps both"


def opened(where: Path, prepared: Prepared) -> AbstractContextManager[RunDirectory]:
    """Open the directory of a run; what is raised inside becomes its record's status and error.

    Raises:
        ConfigError: if the run would replace what it reads, or images that no run there has made.
    """
    check_room(where, prepared)
    request = prepared.request
    return RunDirectory.open(
        where,
        prepared.spec,
        overrides=request.overrides,
        choices=request.choices,
        warnings=prepared.warnings,
        derived_from=request.derived_from,
    )


def check_room(where: Path, prepared: Prepared) -> None:
    """Refuse a directory in which the run would replace somebody's images, or hide a sweep or distillation.

    Raises:
        ConfigError: naming what is there.
    """
    kind = document.kind_of(where)
    if kind not in ("run", None):
        what = f"holds a {kind}, and a run needs a directory of its own; choose another directory"
        raise ConfigError([Problem("hydra.run.dir", what, str(where))])
    inputs = [(artifact.key, artifact.root / name) for artifact in prepared.files for name in artifact.files]
    read = next((f"{key} = {path.name}" for key, path in inputs if would_replace(where, path)), None)
    if read is not None:
        what = f"holds {read}, which this run would replace; choose another directory"
        raise ConfigError([Problem("hydra.run.dir", what, str(where))])
    if where.is_dir() and not (where / FILE_NAME).exists():
        found = next((path.name for path in sorted(where.iterdir()) if would_replace(where, path)), None)
        if found is not None:
            what = f"holds {found}, which no run has made and this one may replace; choose another directory"
            raise ConfigError([Problem("hydra.run.dir", what, str(where))])


@contextmanager
def _log(path: Path, verbose: Sequence[str]) -> Iterator[None]:
    with log_file(path, verbose):
        try:
            yield
        except TcdflowError:  # becomes one line, and needs no traceback
            raise
        except Exception:
            log.exception("the run failed")
            raise


def _save_config(output: RunOutput, where: Path, folder: Path) -> None:
    """Write the files that Hydra writes for a job, each of them whole."""
    remove_link(folder)
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise OutputError.of(folder, error, "made") from error
    for name, text in output.files(where).items():
        write_text(folder / name, text, durable=False)
