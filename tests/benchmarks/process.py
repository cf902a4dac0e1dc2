"""A whole process of tcdflow, from the shell and back, against the smallest script that makes the same image."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image, ImageChops

from tcdflow import embedded
from tests.benchmarks.table import Row, compare

ROUNDS = 7


def run() -> list[Row]:
    """Alternate the two, and make sure that they made one image."""
    with tempfile.TemporaryDirectory() as folder:
        image = Path(folder) / "by_hand.png"
        run_dir = Path(folder) / "run"
        script = Path(__file__).with_name("by_hand.py")
        by_hand = [
            sys.executable,
            str(script),
            str(embedded.model_path("emoji")),
            str(embedded.lora_path("emoji")),
            str(image),
        ]
        ours = [sys.executable, "-m", "tcdflow", "prompt=a red heart", f"hydra.run.dir={run_dir}"]
        times = compare({"tcdflow": lambda: _timed(ours), "by hand": lambda: _timed(by_hand)}, ROUNDS)
        same = ImageChops.difference(Image.open(image), Image.open(run_dir / "000.png")).getbbox() is None
        assert same, "the two images differ"
        return [Row("one image, whole process, seconds", times["tcdflow"], times["by hand"])]


def _timed(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - start
