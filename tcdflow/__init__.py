"""tcdflow: declarative, reproducible few-step diffusion with TCD-LoRAs.

::

    import tcdflow

    result = tcdflow.run("prompt=a red heart", "sampling.steps=4")
    result.images[0]
    results = tcdflow.sweep("prompt=a red heart,a panda", "sampling.eta=0,0.5,1")
    results.filter("sampling.eta=0.5").grid(x="prompt")

Importing this package imports next to nothing; the first call imports torch and Hydra.
"""

from __future__ import annotations

import os
from importlib import import_module

from tcdflow._version import __version__

TYPE_CHECKING = False  # as typing has it, which takes long to import

if os.name != "posix":
    raise ImportError(
        f"tcdflow runs on Linux and macOS: it needs POSIX's directory handles and signals, not {os.name}'s"
    )

if TYPE_CHECKING:
    from tcdflow.api import compose, load, run, sweep
    from tcdflow.engine.result import Result
    from tcdflow.errors import (
        ConfigError,
        OutputError,
        RecordError,
        RequestError,
        RunError,
        SourceError,
        TcdflowError,
        TcdflowWarning,
    )
    from tcdflow.results.image import ImageResult
    from tcdflow.results.results import Results
    from tcdflow.spec.model import RunSpec

__all__ = [
    "ConfigError",
    "ImageResult",
    "OutputError",
    "RecordError",
    "RequestError",
    "Result",
    "Results",
    "RunError",
    "RunSpec",
    "SourceError",
    "TcdflowError",
    "TcdflowWarning",
    "__version__",
    "compose",
    "load",
    "run",
    "sweep",
]


_ERRORS = [name for name in __all__ if name.endswith(("Error", "Warning"))]
_LATE = {
    "ImageResult": "tcdflow.results.image",
    "Result": "tcdflow.engine.result",
    "Results": "tcdflow.results.results",
    "RunSpec": "tcdflow.spec.model",
    **dict.fromkeys(("compose", "load", "run", "sweep"), "tcdflow.api"),
    **dict.fromkeys(_ERRORS, "tcdflow.errors"),
}
"""What is imported when somebody asks for it: a command that a warm process runs begins in milliseconds."""


def __getattr__(name: str) -> object:
    if name in _LATE:
        return getattr(import_module(_LATE[name]), name)
    raise AttributeError(f"module 'tcdflow' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
