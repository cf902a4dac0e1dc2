"""tcdflow: declarative, reproducible few-step diffusion with TCD-LoRAs.

::

    import tcdflow

    result = tcdflow.run("prompt=a red heart", "sampling.steps=4")
    result.images[0]

Importing this package imports neither torch nor Hydra; the first call does.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tcdflow._version import __version__
from tcdflow.api import compose, run
from tcdflow.errors import (
    ConfigError,
    OutputError,
    RecordError,
    RequestError,
    RunError,
    SourceError,
    TcdflowError,
)

if os.name != "posix":
    raise ImportError(
        f"tcdflow runs on Linux and macOS: it needs POSIX's directory handles and signals, not {os.name}'s"
    )

if TYPE_CHECKING:
    from tcdflow.engine.result import Result
    from tcdflow.spec.model import RunSpec

__all__ = [
    "ConfigError",
    "OutputError",
    "RecordError",
    "RequestError",
    "Result",
    "RunError",
    "RunSpec",
    "SourceError",
    "TcdflowError",
    "__version__",
    "compose",
    "run",
]


def __getattr__(name: str) -> object:
    if name == "Result":
        from tcdflow.engine.result import Result

        return Result
    if name == "RunSpec":
        from tcdflow.spec.model import RunSpec

        return RunSpec
    raise AttributeError(f"module 'tcdflow' has no attribute {name!r}")
