"""cuBLAS's workspace, which a process chooses once: torch looks at its variable at the first matrix product on cuda.

Deterministic runs need another size than torch's own, and another size gives other bits. So one process makes runs of
one kind, unless the user has set the variable for all of them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable

from tcdflow.errors import ConfigError, Problem
from tcdflow.files.accelerator import computes_on_cuda
from tcdflow.spec.model import RuntimeSpec

VARIABLE = "CUBLAS_WORKSPACE_CONFIG"
ADVICE = f"run it in a process of its own (TCDFLOW_WARM=0, no axis of a sweep), or set {VARIABLE}=:16:8 before"
_DETERMINISTIC = (":16:8", ":4096:8")
_KEY = "runtime.deterministic"


def given() -> str | None:
    """Return what the variable says; asked before a run sets it for itself."""
    return os.environ.get(VARIABLE) or None


class Workspace:
    """What the first to compute on cuda in a process has settled for all later ones."""

    def __init__(self) -> None:
        self._first: tuple[str | None, bool] | None = None

    def settle(self, device: str, *, deterministic: bool) -> None:
        """Settle the workspace by a run, or refuse one that needs another.

        Args:
            device: type of the device that it computes on: cuda, or others, which have no such workspace.
            deterministic: whether it takes deterministic algorithms only.

        Raises:
            ConfigError: if cuBLAS cannot compute as the run asks for in this process.
        """
        if device != "cuda":
            return
        size, first = self._first or (given(), deterministic)
        if size is None and deterministic != first:
            had = str(first).lower()
            what = f"what this process first computed on cuda had {had}, and cuBLAS keeps its workspace; {ADVICE}"
            raise ConfigError([Problem(_KEY, what, deterministic)])
        if size is not None and deterministic and size not in _DETERMINISTIC:
            what = f"requires {VARIABLE} to be {' or '.join(_DETERMINISTIC)}, and it is {size}"
            raise ConfigError([Problem(_KEY, what, deterministic)])
        self._first = size, first

    def used(self) -> None:
        """Take note that something beside runs computes, where that is on cuda: its first product settles it, too."""
        if (torch := sys.modules.get("torch")) is not None and torch.cuda.is_initialized():
            self._first = self._first or (given(), False)


def check(runtimes: Iterable[RuntimeSpec]) -> None:
    """Refuse runs that one process cannot make, as far as is known before torch is imported.

    Raises:
        ConfigError: if some of them are deterministic and others not, or cuBLAS cannot compute as one asks for.
    """
    kinds = {runtime.deterministic for runtime in runtimes if computes_on_cuda(runtime)}
    if len(kinds) > 1 and given() is None:
        what = "varies on cuda, where cuBLAS keeps the workspace of a process's first run"
        raise ConfigError([Problem(_KEY, f"{what}; make a sweep for each value, or set {VARIABLE}=:16:8 before")])
    for deterministic in kinds:
        Workspace().settle("cuda", deterministic=deterministic)


of_this_process = Workspace()
