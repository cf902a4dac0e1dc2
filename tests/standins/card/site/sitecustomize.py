"""Gives each Python that has this folder in ``PYTHONPATH`` the stand-in of a card, as soon as it imports torch."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from ctypes import CDLL
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType


class _Torch(MetaPathFinder, Loader):
    """Loads torch with the library of the card beside it."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != "torch":
            return None
        sys.meta_path.remove(self)
        spec = find_spec("torch")
        if spec is not None and spec.loader is not None:
            self._loader, spec.loader = spec.loader, self
        return spec

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        library = Path(__file__).parent / f"libcard-{version('torch')}.so"
        CDLL(str(library))  # before torch asks for the first time whether there is a card
        assert module.__spec__ is not None
        module.__spec__.loader = module.__loader__ = self._loader
        self._loader.exec_module(module)
        import_module("stand_in_card").answer(library)


sys.meta_path.insert(0, _Torch())
