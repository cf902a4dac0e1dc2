"""``tcdflow -m hydra/sweeper=optuna ...``, ``hydra/launcher=joblib``: sweeps that Hydra's plug-ins drive."""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from tcdflow.cli.engines import engine
from tcdflow.cli.files import DownloadBar
from tcdflow.cli.made import tell
from tcdflow.cli.warn import tell_seeds, warn
from tcdflow.engine.result import Result
from tcdflow.errors import RecordError
from tcdflow.files.resolve import fetch
from tcdflow.gallery.live import Ended, end_of
from tcdflow.multirun.hydra_sweep import HydraSweep
from tcdflow.record import document
from tcdflow.sweeps.directory import alone
from tcdflow.text import counted, printable
from tcdflow.tracking.follow import followed


def multirun(sweep: HydraSweep) -> int:
    """Run a sweep, and say what was found."""
    start = time.perf_counter()
    sweep.check_here()
    tell_seeds(sweep.composer.seeds.drawn)
    warn(sweep.warnings)
    with DownloadBar() as download:
        fetch(sweep.artifacts, download.progress)
    gc.enable()  # `main` stopped it, and nothing tells when a sweep of many processes has loaded all
    with alone(sweep.directory), followed(sweep.directory, sweep.first.tracking, warn):
        try:
            sweep.run(show, engine(reusable=True))
        finally:
            ended = end_of(sweep.directory, page=sweep.first.spec.output.gallery)
    return _report(sweep, ended, time.perf_counter() - start)


def show(result: Result) -> None:
    """Print the paths of a job's images."""
    tell(result.paths, at_once=True)


def _report(sweep: HydraSweep, ended: Ended, seconds: float) -> int:
    warn([f"no page: {ended.problem}"] if ended.problem else [])
    records = [_record(path.parent) for path in sweep.directory.rglob(document.FILE_NAME)]
    warn(dict.fromkeys(text for one in records if one for text in one.warnings if text not in sweep.warnings))
    statuses = [one.status if one else "failed" for one in records]
    counts = {how: statuses.count(how) for how in sorted(set(statuses))}
    listed = ", ".join(f"{count} {how}" for how, count in counts.items())
    found = sweep.directory / "optimization_results.yaml"
    if found.is_file():
        print(_best(yaml.safe_load(found.read_text("utf-8")), sweep.metric or (), found), file=sys.stderr)
    where = printable(str(ended.page or sweep.directory))
    print(f"{counted(len(statuses), 'job')} in {seconds:.1f} s: {listed}; {where}", file=sys.stderr)
    return int(counts.get("done", 0) != len(statuses))


def _best(best: dict[str, Any], metrics: Sequence[str], file: Path) -> str:
    """Return what Optuna found best; of several metrics the runs that no other is better than in all of them."""
    named = ", ".join(metrics)
    if "solutions" in best:
        return f"{counted(len(best['solutions']), 'trial')} that no other beats in {named}; {file}"
    values = ", ".join(f"{key}={value}" for key, value in best["best_params"].items())
    return f"best {named}: {best['best_value']:g} with {printable(values)}; {file}"


def _record(directory: Path) -> document.Record | None:
    try:
        return document.read(directory)
    except RecordError:
        return None
