"""An engine's output: an image or animation with the seed of its noise."""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image


@dataclass(frozen=True)
class Sample:
    """One image, or one animation.

    Attributes:
        frames: the image, or the frames in the order they are shown; all of one size in pixels.
        seed: of the noise.
        animated: whether it is an animation, which may have a single frame.
        invalid: why the image is invalid; None if it is not.

    Raises:
        ValueError: if there is no frame, if a still has several, or if frames differ in size.
    """

    frames: tuple[Image.Image, ...]
    seed: int
    animated: bool = False
    invalid: str | None = None

    def __post_init__(self) -> None:
        if not self.frames or (len(self.frames) > 1 and not self.animated):
            raise ValueError(f"an image has one frame and an animation at least one, not {len(self.frames)}")
        sizes = {frame.size for frame in self.frames}
        if len(sizes) > 1:
            raise ValueError(f"frames of one animation differ in size: {sorted(sizes)}")

    @property
    def still(self) -> bool:
        """Whether it is a single image that does not move."""
        return not self.animated
