"""diffusers' private parts, and the loggers of diffusers and transformers, which it loads."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from tcdflow.libraries.scipy import put_off

with put_off():
    import diffusers.loaders.single_file_utils
    from diffusers.hooks import group_offloading
    from diffusers.hooks.hooks import HookRegistry
    from diffusers.schedulers import KarrasDiffusionSchedulers
    from diffusers.utils import logging as diffusers_logging
    from transformers.utils import logging as transformers_logging

    for scheduler in KarrasDiffusionSchedulers:  # each of which is imported when one is made from another's config
        getattr(diffusers.schedulers, scheduler.name)


def lora_components(pipe: Any) -> list[str]:
    """Return the names of a pipeline's components that LoRAs can change, the denoiser first.

    Private: ``_lora_loadable_modules``. In its place: ``get_list_adapters``, which names those alone that have one.
    """
    return [name for name in pipe._lora_loadable_modules if getattr(pipe, name, None) is not None]


def remove_group_offload(model: torch.nn.Module) -> None:
    """Undo ``enable_group_offload`` on a model.

    Private: the names of its three hooks. In its place: a call that undoes it; ``remove_all_hooks`` knows the other
    kinds of offloading only.
    """
    registry = HookRegistry.check_if_exists_or_initialize(model)
    for name in (
        group_offloading._GROUP_OFFLOADING,
        group_offloading._LAYER_EXECUTION_TRACKER,
        group_offloading._LAZY_PREFETCH_GROUP_OFFLOADING,
    ):
        registry.remove_hook(name, recurse=True)


@contextmanager
def quiet() -> Iterator[None]:
    """Keep diffusers and transformers off the terminal; their messages reach the root logger if it has handlers.

    Unruly: each has a handler of its own that writes to standard error, and bars of its own. In its place: libraries
    that leave handlers to the application.
    """
    with _quiet(diffusers_logging, "diffusers"), _quiet(transformers_logging, "transformers"):
        yield


@contextmanager
def lora_warnings() -> Iterator[list[str]]:
    """Collect what libraries warn of while they load a LoRA; their messages reach the log, but those known as noise.

    Unruly: diffusers asks people to open an issue for a LoRA that has no weights for a text encoder, transformers
    reports all weights of one as missing, peft complains of names that diffusers has given it. In its place: errors
    where weights are left out, and quiet where nothing is wrong.
    """
    collected: list[str] = []
    with quiet(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The following alpha_pattern keys did not match")
        loggers = [logging.getLogger(name) for name in ("diffusers", "transformers")]
        before = [(logger.handlers, logger.propagate) for logger in loggers]
        for logger in loggers:
            logger.handlers, logger.propagate = [_Collector(collected)], False
        try:
            yield collected
        finally:
            for logger, (handlers, propagate) in zip(loggers, before, strict=True):
                logger.handlers, logger.propagate = handlers, propagate


_NOISE = ("No LoRA keys associated to ", " LOAD REPORT")


class _Collector(logging.Handler):
    """Passes messages on to the log."""

    def __init__(self, collected: list[str]) -> None:
        super().__init__()
        self._collected = collected

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a warning, unless the loaded modules are counted against the file anyway."""
        message = record.getMessage()
        if any(noise in message for noise in _NOISE):
            return
        if record.levelno >= logging.WARNING and "led to unexpected keys" not in message:
            self._collected.append(message)
        if logging.root.handlers:
            logging.root.handle(record)


@contextmanager
def _quiet(library: Any, name: str) -> Iterator[None]:
    library.get_verbosity()  # makes the library's own handler, so that it can be removed
    logger = logging.getLogger(name)
    handlers, propagate = list(logger.handlers), logger.propagate
    bars = library.is_progress_bar_enabled()
    logger.handlers = [] if logging.root.handlers else [logging.NullHandler()]
    logger.propagate = bool(logging.root.handlers)
    library.disable_progress_bar()
    try:
        yield
    finally:
        logger.handlers, logger.propagate = handlers, propagate
        if bars:
            library.enable_progress_bar()
