"""Schedulers, each made from the base's own scheduler config."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from tcdflow.spec.scheduler import Scheduler


def make(scheduler: Scheduler, base_config: Mapping[str, Any]) -> Any:
    """Return a fresh scheduler of diffusers.

    Args:
        scheduler: which one, and what to change.
        base_config: config of the scheduler that the base came with; what the settings leave unset is taken from it.
    """
    module, name = scheduler.diffusers_class.split(":")
    cls = getattr(import_module(f"diffusers.schedulers.{module}"), name)
    return cls.from_config(dict(base_config), **scheduler.settings())


class Schedulers:
    """Fresh schedulers of one base. One like the last is a copy of it, which takes a tenth of the time.

    Args:
        base_config: as of :func:`make`.
    """

    def __init__(self, base_config: Mapping[str, Any]) -> None:
        self._base_config = base_config
        self._latest: tuple[str, Any] | None = None

    def fresh(self, scheduler: Scheduler) -> Any:
        """Return a scheduler that no run has used.

        Args:
            scheduler: which one, and what to change.
        """
        asked = repr(scheduler)
        if self._latest is None or self._latest[0] != asked:
            self._latest = asked, make(scheduler, self._base_config)
        unused = self._latest[1]
        return copy.deepcopy(unused, {id(unused.config): unused.config})  # the config is frozen, and for all of them
