"""What a library raises while it loads untrusted files, as one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from tcdflow.errors import ConfigError, Problem, TcdflowError
from tcdflow.text import library_reason


@contextmanager
def one_line(key: str, source: str, what: str) -> Iterator[None]:
    """Turn whatever is raised meanwhile into a problem of a key: an odd value in a config can end in any exception.

    Args:
        key: of the spec that names the files.
        source: its value.
        what: such as ``cannot be loaded``.

    Raises:
        ConfigError: in place of any other exception but those for want of memory.
    """
    try:
        yield
    except (TcdflowError, MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        raise ConfigError([Problem(key, f"{what}: {type(error).__name__}: {library_reason(error)}", source)]) from error
