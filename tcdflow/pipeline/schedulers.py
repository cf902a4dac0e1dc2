"""Schedulers, each made from the base's own scheduler config."""

from __future__ import annotations

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
