"""The input images of a run, as its task and adapters need them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from PIL.Image import Image

    from tcdflow.spec.preprocessor import Preprocessor

Fit = Literal["resize", "crop", "none"]
"""How an input image comes to the size of the run: stretched to it, cut to its shape and scaled, or as it is."""

Size = tuple[int, int]
"""Width and height in pixels."""


class InputImages(Protocol):
    """Loads input images by role; each distinct one is made once, however many runs ask for it."""

    def fitted(self, role: str, fit: Fit) -> Image:
        """Return an image brought to the size of the run."""

    def stretched(self, role: str, side: int | None) -> Image:
        """Return an image stretched to a square of so many pixels a side, or at its own size."""

    def control(self, role: str, fit: Fit, preprocessor: Preprocessor, models: Mapping[str, str]) -> Image:
        """Return the control image that a preprocessor makes.

        Args:
            role: of the image that it is made from.
            fit: how that comes to the size of the run.
            preprocessor: makes it.
            models: role of each model that the preprocessor needs, by the preprocessor's own name for it.
        """


@dataclass
class Inputs:
    """What a pipeline is given beside the prompt.

    Attributes:
        arguments: keyword arguments of the pipeline's call.
        per_image: those that a batch is given once for each of its images, such as what the VAE encodes, which
            draws on the generator of each. A list holds one for each of several adapters.
        shown: the images by name, for the run directory and its sheet.
    """

    arguments: dict[str, Any] = field(default_factory=dict)
    per_image: dict[str, Any] = field(default_factory=dict)
    shown: dict[str, Image] = field(default_factory=dict)

    def add(self, other: Inputs) -> None:
        """Add what another part of the run gives."""
        self.arguments |= other.arguments
        self.per_image |= other.per_image
        self.shown |= other.shown
