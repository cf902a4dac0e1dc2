"""While the files of a sweep or rerun are hashed for long, what an engine needs is imported."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.helpers import environment

HASHING = """
import sys, time
from tcdflow.cli import engines
with engines.importing():
    end = time.monotonic() + 60
    while {until!r} not in sys.modules and time.monotonic() < end:
        time.sleep(0.01)
    {inside}
print("tcdflow.engine.engine" in sys.modules)
"""

STOPPED = """
import sys, threading, time
from tcdflow.cli import engines
from tcdflow.cli.leave import leave
try:
    with engines.importing():
        while "torch" not in sys.modules:
            time.sleep(0.01)
        raise KeyboardInterrupt
except KeyboardInterrupt:
    print("stopped amid imports" if threading.active_count() > 1 else "waited")
    leave(130)
"""


@pytest.mark.parametrize(
    ("until", "inside", "printed"),
    [
        ("torch", "pass", "True"),  # it begins while files are hashed, and has ended afterwards
        ("sys", "pass", "False"),  # what is answered at once, and may be a mistake, waits for no imports
    ],
    ids=["long", "short"],
)
def test_imports_begin_beside_long_hashing(until: str, inside: str, printed: str) -> None:
    code = HASHING.format(until=until, inside=inside)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment())
    assert done.stdout.strip() == printed and not done.stderr


def test_what_stops_the_hashing_waits_for_no_imports() -> None:
    """An interrupt, or a file that cannot be read; and the process can end while a thread imports."""
    done = subprocess.run([sys.executable, "-c", STOPPED], capture_output=True, text=True, env=environment())
    assert done.returncode == 130 and done.stdout.strip() == "stopped amid imports" and not done.stderr
