"""scipy, which takes a second to import, and of which an image needs nothing."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

_PARTS = ("scipy.integrate", "scipy.optimize", "scipy.stats")


@contextmanager
def put_off() -> Iterator[None]:
    """Have libraries that are imported meanwhile import scipy when they first use it, and not now.

    Where scipy is installed (optuna brings it), transformers imports ``scipy.optimize`` for losses of object detection,
    and diffusers the others for schedulers that its single-file loader may have to make. In its place: libraries that
    import it where they use it.
    """
    if find_spec("scipy") is None:
        yield
        return
    names = [name for name in _PARTS if name not in sys.modules]
    sys.modules.update({name: _Later(name) for name in names})
    try:
        yield
    finally:
        for name in names:
            del sys.modules[name]  # `import scipy` finds the real one at the first use


class _Later(ModuleType):
    """A module whose functions import the real one when they are called."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)

        def function(*args: Any, **kwargs: Any) -> Any:
            return getattr(import_module(self.__name__), name)(*args, **kwargs)

        return function
