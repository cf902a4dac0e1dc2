"""Width and height that a run takes from its input image."""

from __future__ import annotations

import math

from tcdflow.spec.inputs import Size
from tcdflow.spec.types import Side

_REACH = 0.1
"""Share by which the width may miss that of the area asked for, where the shape of the input is met better."""


def sides_like(own: Size, sides: tuple[Side, Side], *, side: int, multiple: int) -> Size:
    """Return width and height in pixels.

    ``input`` is the input's own, to the nearest multiple. ``aspect`` is what the shape of the input makes of the other
    side; if both are, the area is about ``side`` x ``side``: of the widths up to a tenth from that, it is the one that
    meets the shape best.

    Args:
        own: width and height of the input.
        sides: width and height as asked for; None is ``side``.
        side: of the base's own images, in pixels.
        multiple: of which both have to be.
    """

    def near(pixels: float) -> int:
        return max(multiple, round(pixels / multiple) * multiple)

    aspect = own[0] / own[1]
    if sides == ("aspect", "aspect"):
        ideal = side * math.sqrt(aspect)
        least, most = near(ideal * (1 - _REACH)), near(ideal * (1 + _REACH))
        shapes = [(width, near(width / aspect)) for width in range(least, most + 1, multiple)]
        return min(shapes, key=lambda shape: (_apart(shape[0] / shape[1], aspect), _apart(shape[0], ideal)))
    width, height = (
        near(pixels) if given == "input" else side if given is None else given
        for given, pixels in zip(sides, own, strict=True)
    )
    if width == "aspect":
        assert isinstance(height, int)
        return near(height * aspect), height
    assert isinstance(width, int)
    return width, near(width / aspect) if height == "aspect" else int(height)


def _apart(one: float, other: float) -> float:
    return round(abs(math.log(one / other)), 6)
