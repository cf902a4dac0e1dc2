"""What a run reads, declared before anything is looked up: which source, in which form, for which key."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

Form = Literal["pipeline", "model", "weights", "image"]
"""A folder with ``model_index.json``, one with ``config.json``, a weight file, or an input image.

Where ``Need.may_be_file``, a pipeline or model may be one weight file, which follows the config of ``Need.config``.
"""


@dataclass(frozen=True)
class Need:
    """One source that a part of a run reads.

    Attributes:
        role: what it is to the run, such as ``adapters.depth.preprocessor``; its key in the lock.
        key: the key of the spec that names the source.
        source: where it is: see :mod:`tcdflow.files.source`.
        form: what has to be there.
        config: source whose config a single weight file follows.
        may_be_file: a single weight file will do, with such a config.
        full_precision: take the plain weights also where the run computes in half precision.
        follows_base: a single weight file will do, which follows the config of the base's own part.
    """

    role: str
    key: str
    source: str
    form: Form
    config: str | None = None
    may_be_file: bool = False
    full_precision: bool = False
    follows_base: bool = False

    @property
    def config_key(self) -> str:
        """The key of the spec, and the role, of ``config``."""
        return f"{self.role}.config"


class LocalFiles(Protocol):
    """The files of one need, on this machine."""

    @property
    def path(self) -> Path:
        """The folder to load from, or the one file."""

    @property
    def single(self) -> bool:
        """Whether it is one file."""

    @property
    def variant(self) -> str | None:
        """Variant of the weight files, None for the plain ones."""
