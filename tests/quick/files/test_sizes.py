"""A run's size, taken from its input image."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tcdflow.config.compose import Composer
from tcdflow.errors import ConfigError
from tcdflow.request.prepare import Preparer
from tcdflow.request.request import Request
from tcdflow.spec.aspect import sides_like


@given(st.integers(64, 6000), st.integers(64, 6000), st.sampled_from([(512, 8), (1024, 8), (1024, 64), (64, 8)]))
def test_aspect_keeps_the_shape_near_the_bases_area(width: int, height: int, base: tuple[int, int]) -> None:
    side, multiple = base
    if not 1 / 4 <= width / height <= 4:
        return
    made = sides_like((width, height), ("aspect", "aspect"), side=side, multiple=multiple)
    assert made[0] % multiple == made[1] % multiple == 0
    plain = side * math.sqrt(width / height), side * math.sqrt(height / width)
    # No worse than what rounding each side of the area alone makes of the shape.
    rounded = [max(multiple, round(pixels / multiple) * multiple) for pixels in plain]
    apart = abs(math.log(made[0] / made[1] * height / width))
    assert apart <= abs(math.log(rounded[0] / rounded[1] * height / width)) + 1e-5
    assert abs(made[0] - plain[0]) <= 0.1 * plain[0] + multiple


@pytest.mark.parametrize(
    ("own", "sides", "made"),
    [
        ((640, 480), ("input", "input"), (640, 480)),
        ((643, 485), ("input", "input"), (640, 488)),
        ((4000, 3000), ("aspect", "aspect"), (576, 432)),
        ((3000, 4000), ("aspect", "aspect"), (432, 576)),
        ((700, 700), ("aspect", "aspect"), (512, 512)),
        ((4000, 3000), (768, "aspect"), (768, 576)),
        ((4000, 3000), ("aspect", 576), (768, 576)),
        ((4000, 3000), ("aspect", None), (680, 512)),
        ((1000, 500), ("input", "aspect"), (1000, 496)),
        ((1000, 500), ("input", None), (1000, 512)),
        ((3, 3), ("input", "input"), (8, 8)),
    ],
)
def test_words_for_sides(own: tuple[int, int], sides: tuple[int | str | None, ...], made: tuple[int, int]) -> None:
    assert sides_like(own, sides, side=512, multiple=8) == made  # type: ignore[arg-type]


def sized(composer: Composer, *overrides: str) -> tuple[int | str | None, ...]:
    sampling = Preparer()(Request.composed(composer.compose(["prompt=a red heart", *overrides]))).spec.sampling
    return sampling.width, sampling.height


def test_the_prepared_run_has_numbers(tmp_path: Path, composer: Composer) -> None:
    Image.new("RGB", (96, 72)).save(tmp_path / "in.png")
    task = ["task=image_to_image", f"task.image={tmp_path / 'in.png'}"]
    assert sized(composer, *task, "sampling.width=input", "sampling.height=input") == (96, 72)
    assert sized(composer, *task, "sampling.width=aspect", "sampling.height=aspect") == (64, 48)
    assert sized(composer, *task, "sampling.width=input", "sampling.height=64") == (96, 64)


def test_without_an_input_there_is_nothing_to_take_it_from(composer: Composer) -> None:
    with pytest.raises(ConfigError, match=r"sampling.width = 'input': there is no input image"):
        sized(composer, "sampling.width=input")


def test_a_side_that_is_too_long(tmp_path: Path, composer: Composer) -> None:
    Image.new("1", (9000, 16)).save(tmp_path / "in.png")
    task = ["task=image_to_image", f"task.image={tmp_path / 'in.png'}"]
    with pytest.raises(ConfigError, match="at most 8192 a side are allowed; write aspect for both"):
        sized(composer, *task, "sampling.width=input", "sampling.height=input")


@pytest.mark.parametrize("value", ["large", "7", "8193", "1.5", "true"])
def test_what_is_no_side(composer: Composer, value: str) -> None:
    with pytest.raises(ConfigError, match=r"sampling\.width"):
        sized(composer, f"sampling.width={value}")
