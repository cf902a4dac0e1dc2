"""A Ctrl-C while libraries are imported costs a process that goes on no later run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers import environment

TWICE = """
import signal, sys
import tcdflow
signal.signal(signal.SIGINT, signal.default_int_handler)
when = sys.argv.pop()
class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == when:
            sys.meta_path.remove(self)
            signal.raise_signal(signal.SIGINT)
sys.meta_path.insert(0, Interrupting())
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
