"""The interface of preprocessors, which make control images. Each is one file of :mod:`tcdflow.parts.preprocessors`."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from tcdflow.errors import Problem
from tcdflow.spec.inputs import Background, Size
from tcdflow.spec.needs import Need
from tcdflow.spec.registry import Registry
from tcdflow.spec.script import Lines, ScriptFiles, cannot_write
from tcdflow.spec.types import Settings

if TYPE_CHECKING:
    from PIL.Image import Image


class Preprocessor(Settings):
    """Makes a control image from an image: subclass it in a file of its own and register the subclass.

    Attributes:
        resizes: it takes the image at its own size and returns one of the run's size. Else it is given the image at
            the run's size, and keeps it.
        ground: of a drawing of lines that it can be given, if it makes lines of something; None if it does not.
    """

    resizes: ClassVar[bool] = False
    ground: ClassVar[Background | None] = None

    name: str = Field(description="what is made of the image")

    def models(self) -> Mapping[str, str]:
        """Return the source of each model that it needs, by the field that names it."""
        return {}

    def needs(self, key: str) -> Iterator[Need]:
        """Yield the models as needs of the adapter's preprocessor at ``key``."""
        for field, source in self.models().items():
            yield Need(self.role(key, field), f"{key}.{field}", source, "model", full_precision=True)

    def role(self, key: str, field: str) -> str:
        """Return the role of a model's files."""
        return key if field == "source" else f"{key}.{field}"

    def problems(self, key: str) -> Iterator[Problem]:
        """Yield what is wrong with the settings, which stand at ``key``."""
        yield from ()

    def script(self, image: str, key: str, files: ScriptFiles) -> Lines:
        """Return what makes the control image in a script.

        Args:
            image: the variable that holds the image, and the control image in the end.
            key: of the preprocessor in the spec.
            files: names its models.

        Raises:
            ConfigError: if that cannot be written in a few lines.
        """
        raise cannot_write(f"{key}.name", f"preprocessor {self.name!r}")

    @abstractmethod
    def __call__(self, image: Image, size: Size, models: Mapping[str, Path], device: Any) -> Image:
        """Make the control image.

        Args:
            image: RGB.
            size: width and height of the run in pixels.
            models: local folder of each model, by the field that names it.
            device: ``torch.device`` to compute on.

        Returns:
            RGB, of the run's size.
        """


PREPROCESSORS: Registry[type[Preprocessor]] = Registry("preprocessor", "tcdflow.parts.preprocessors")
