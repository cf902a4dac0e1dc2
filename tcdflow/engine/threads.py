"""How the threads of a CPU wait for each other; set before torch is imported."""

from __future__ import annotations

import os

SPINS = "1000"


def set_spinning() -> None:
    """Let threads spin for microseconds before they sleep, unless the environment says how they wait.

    The next layer of a small model begins microseconds after the last: threads that sleep at once have to be woken for
    each. Threads that spin for long, as GNU's OpenMP lets them, keep the cores from other processes.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", SPINS)
