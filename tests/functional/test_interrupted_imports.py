"""A Ctrl-C while libraries are imported costs a process that goes on no later run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers import INTERRUPTING, environment

TWICE = f"""
import signal
import tcdflow
signal.signal(signal.SIGINT, signal.default_int_handler)
{INTERRUPTING}
for _ in range(2):
    try:
        print(tcdflow.run("sampling.steps=1", progress=False).record.status)
    except KeyboardInterrupt:
        print("interrupted")
"""


@pytest.mark.parametrize("module", ["torch.fx", "diffusers.hooks"])
def test_in_the_library(tmp_path: Path, module: str) -> None:
    """torch's own registrations cannot be made a second time."""
    command = [sys.executable, "-c", TWICE, module]
    done = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, text=True)
    assert (done.returncode, done.stdout.split(), done.stderr) == (0, ["interrupted", "done"], "")
