"""What a cell that reuses everything costs beside the model's own work, and where it goes."""

from __future__ import annotations

import cProfile
import pstats
import tempfile
import time
from pathlib import Path

from tcdflow.config.compose import Composer
from tcdflow.engine.warm import WarmEngine
from tcdflow.sweeps import planner
from tcdflow.sweeps.plan import Plan
from tcdflow.sweeps.runner import Runner, pending
from tests.benchmarks.table import Figure

CELLS = 60
PARTS = {
    "record, begun and ended": ("rundir.py", "open"),
    "record, written": ("document.py", "write"),
    "files, flushed to the disk": ("~", "<built-in method posix.fsync>"),
    "images, encoded and written": ("images.py", "save_image"),
    "recipe in the image": ("recipe.py", "texts_of"),
    "spec, from the plan": ("plan.py", "spec"),
    "key": ("key.py", "run_key"),
    "earlier files, looked for": ("cleanup.py", "remove_earlier"),
    "metrics": ("metrics.py", "measured"),
    "scheduler, made": ("schedulers.py", "make"),
    "execution, written down": ("engine.py", "_execution"),
}
"""Functions by what they do; some of them call others of them."""


def run() -> list[Figure]:
    """Time cells as a whole, and take away what the pipeline's own call took."""
    plan = planner.make(Composer(), [f"sampling.seed=range({CELLS})"]).plan
    engine = WarmEngine()
    with tempfile.TemporaryDirectory() as folder:
        beside = [_beside(plan, Path(folder) / str(number), engine) for number in range(3)]
        where = Path(folder) / "profile"
        runner = Runner(plan, where, engine)
        profile = cProfile.Profile()
        before = [*pending(plan, where)]
        profile.enable()
        list(runner.run(before))
        profile.disable()
    spent = [milliseconds for one in beside[1:] for milliseconds in one]
    return [
        Figure("a warm cell beside the model's own work, milliseconds", spent, "15"),
        *(Figure(f"... of it under a profiler: {what}", [took], "") for what, took in _parts(profile).items()),
    ]


def _beside(plan: Plan, where: Path, engine: WarmEngine) -> list[float]:
    found = []
    before = [*pending(plan, where)]
    start = time.perf_counter()
    for outcome in Runner(plan, where, engine).run(before):
        whole = time.perf_counter() - start
        assert outcome.record is not None
        seconds = outcome.record.execution["seconds"]
        found.append(1000 * (whole - seconds["denoise"] - seconds["decode"]))
        start = time.perf_counter()
    return found


def _parts(profile: cProfile.Profile) -> dict[str, float]:
    found = dict.fromkeys(PARTS, 0.0)
    for (file, _, function), (_, _, _, cumulative, _) in pstats.Stats(profile).stats.items():  # type: ignore[attr-defined]
        for what, (name, wanted) in PARTS.items():
            if Path(file).name == name and function == wanted:
                found[what] += 1000 * cumulative / CELLS
    return dict(sorted(found.items(), key=lambda item: -item[1]))
