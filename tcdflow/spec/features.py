"""Features of images, as parts: what the Fréchet distance and the nearest image are computed on.

A kind of features is one file below ``tcdflow.parts.features``. Its name is then allowed in
``tcdflow evaluate --features``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from tcdflow.spec.registry import Registry

if TYPE_CHECKING:
    from PIL import Image

Extractor = Callable[[Sequence["Image.Image"]], Any]
"""Takes RGB images of any size; returns a float32 array of shape ``(images, dimensions)``."""


class Features(ABC):
    """A kind of features. One object a kind; it holds no state.

    Attributes:
        description: one line for whoever chooses.
        components: of a principal component analysis of the reference, in which the Fréchet distance is then
            computed; None computes it on the features themselves.
    """

    description: ClassVar[str]
    components: ClassVar[int | None] = None

    @abstractmethod
    def identity(self, folder: Path | None) -> str:
        """Return what the numbers depend on beside the images, as text.

        Args:
            folder: local folder of the model; None where the features need none.

        Raises:
            RequestError: if a package is not installed.
        """

    @abstractmethod
    def load(self, folder: Path | None) -> Extractor:
        """Return what extracts them.

        Raises:
            RequestError: if a package is not installed, or the folder holds no such model.
        """


FEATURES: Registry[Features] = Registry("features", "tcdflow.parts.features")
