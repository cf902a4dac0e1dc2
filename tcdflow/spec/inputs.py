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


Background = Literal["white", "black"]


@dataclass(frozen=True)
class ImageUse:
    """How a run uses one of its input images.

    Attributes:
        role: of the image, such as ``task.image``.
        fit: how it comes to the size of the run.
        fit_key: key of the spec that says so; None if no key does.
        side: pixels a side of the square that it is stretched to instead; 0 leaves it at its own size, and the model
            that is given it reads its middle square; None is the size of the run.
        behind: colour that shows through where it is transparent.
        ground: of a drawing of lines, where one is of use only with that ground.
    """

    role: str
    fit: Fit = "resize"
    fit_key: str | None = None
    side: int | None = None
    behind: Background = "white"
    ground: Background | None = None

    @property
    def unfitted(self) -> bool:
        """Whether it is to be of the run's size as it is."""
        return self.side is None and self.fit == "none"


@dataclass(frozen=True)
class MaskUse(ImageUse):
    """How a run makes a mask of one of its input images.

    Attributes:
        channel: what of it is the mask.
        threshold: value from which on it is white, of 255.
        invert: whether black and white change places.
        padding: pixels of the run by which the white part grows to all sides.
    """

    behind: Background = "black"
    channel: Literal["luminance", "alpha"] = "luminance"
    threshold: int = 128
    invert: bool = False
    padding: int = 0


class InputImages(Protocol):
    """Loads input images; each distinct one is made once, however many runs ask for it."""

    def fitted(self, use: ImageUse) -> Image:
        """Return an image as a run uses it, RGB; a mask is white where the image is repainted."""

    def control(self, use: ImageUse, preprocessor: Preprocessor, models: Mapping[str, str]) -> Image:
        """Return the control image that a preprocessor makes.

        Args:
            use: of the image that it is made from.
            preprocessor: makes it.
            models: role of each model that the preprocessor needs, by the preprocessor's own name for it.
        """


@dataclass(frozen=True)
class Paste:
    """What keeps its pixels outside of a mask.

    Attributes:
        image: RGB, of the run's size.
        mask: L, of the run's size: 0 keeps the image's pixel, 255 takes the new one, between are both mixed.
    """

    image: Image
    mask: Image


@dataclass
class Inputs:
    """What a pipeline is given beside the prompt.

    Attributes:
        arguments: keyword arguments of the pipeline's call.
        per_image: those that a batch is given once for each of its images, such as what the VAE encodes, which
            draws on the generator of each. A list holds one for each of several adapters.
        shown: the images by name, for the run directory and its sheet.
        paste: what the images that come out are pasted into.
    """

    arguments: dict[str, Any] = field(default_factory=dict)
    per_image: dict[str, Any] = field(default_factory=dict)
    shown: dict[str, Image] = field(default_factory=dict)
    paste: Paste | None = None

    def add(self, other: Inputs) -> None:
        """Add what another part of the run gives."""
        self.arguments |= other.arguments
        self.per_image |= other.per_image
        self.shown |= other.shown
        self.paste = self.paste or other.paste
