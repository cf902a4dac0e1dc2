"""The second command: in a warm process against a process of its own, from the shell and back."""

from __future__ import annotations

import sys
import tempfile
from itertools import count
from pathlib import Path

from tcdflow.record import document
from tests.benchmarks.process import timed
from tests.benchmarks.table import Row, compare

ROUNDS = 7


def run() -> list[Row]:
    """Alternate the two, as a whole and beside the model's own work."""
    with tempfile.TemporaryDirectory(prefix="warm", dir="/tmp") as folder:
        numbers = count()
        beside: dict[str, list[float]] = {"1": [], "0": []}

        def once(warm: str) -> float:
            where = Path(folder) / str(next(numbers))
            command = [sys.executable, "-m", "tcdflow", "prompt=a red heart", f"hydra.run.dir={where}"]
            seconds = timed(command, XDG_RUNTIME_DIR=folder, TCDFLOW_WARM=warm)
            spent = document.read(where).execution["seconds"]
            beside[warm].append(seconds - spent["denoise"] - spent["decode"])
            return seconds

        def listing(warm: str) -> float:
            command = [sys.executable, "-m", "tcdflow", "check", "prompt=a red heart"]
            return timed(command, XDG_RUNTIME_DIR=folder, TCDFLOW_WARM=warm)

        times = compare({kind: lambda kind=kind: once(kind) for kind in ("1", "0")}, ROUNDS)  # type: ignore[misc]
        checks = compare({kind: lambda kind=kind: listing(kind) for kind in ("1", "0")}, ROUNDS)  # type: ignore[misc]
        timed([sys.executable, "-m", "tcdflow", "warm", "stop"], XDG_RUNTIME_DIR=folder)
    return [
        Row("a second command, warm, seconds, against a process of its own", times["1"], times["0"]),
        Row("... beside the model's own work", beside["1"][1:], beside["0"][1:]),
        Row("tcdflow check, warm, seconds, against a process of its own", checks["1"], checks["0"]),
    ]
