"""What masks of all editors become."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image, ImageFilter

from tcdflow.inputs.mask import hard, mask, pasted, soft
from tcdflow.spec.inputs import MaskUse, Paste

SIZE = (24, 16)


def strokes(size: tuple[int, int] = (48, 32)) -> Image.Image:
    """L: soft blobs of all greys."""
    return Image.radial_gradient("L").resize(size).point(lambda value: 255 - value)


def made(path: Path, image: Image.Image, **settings: object) -> Image.Image:
    image.save(path)
    found = mask(path, MaskUse("task.mask", **settings), SIZE)  # type: ignore[arg-type]
    assert (found.mode, found.size) == ("RGB", SIZE)
    return found


def test_by_default_it_is_the_image_at_the_size_of_the_run(tmp_path: Path) -> None:
    assert made(tmp_path / "in.png", strokes()).tobytes() == strokes().convert("RGB").resize(SIZE).tobytes()


def test_strokes_in_alpha(tmp_path: Path) -> None:
    drawn = Image.merge("RGBA", [Image.new("L", strokes().size)] * 3 + [strokes()])
    found = made(tmp_path / "in.png", drawn, channel="alpha")
    assert found.tobytes() == strokes().resize(SIZE).convert("RGB").tobytes()


def test_white_strokes_over_nothing_are_white(tmp_path: Path) -> None:
    """What shows through is black, whatever colour an editor has left there."""
    drawn = Image.merge("RGBA", [Image.new("L", SIZE, 255)] * 3 + [hard(strokes(SIZE))])
    assert hard(made(tmp_path / "in.png", drawn)).tobytes() == hard(strokes(SIZE)).tobytes()


def test_inverted_is_the_rest(tmp_path: Path) -> None:
    plain, rest = (hard(made(tmp_path / "in.png", strokes(), invert=invert)) for invert in (False, True))
    assert plain.tobytes() == bytes(255 - value for value in rest.tobytes())


@pytest.mark.parametrize("high", [1, 2, 76])
def test_a_threshold_reads_any_two_values(tmp_path: Path, high: int) -> None:
    low_and_high = hard(strokes()).point(lambda value: high if value else 0)
    found = made(tmp_path / "in.png", low_and_high, threshold=high)
    assert found.tobytes() == hard(strokes()).resize(SIZE).convert("RGB").tobytes()


@pytest.mark.parametrize("pixels", [1, 2, 3, 7])
def test_padding_is_a_maximum(tmp_path: Path, pixels: int) -> None:
    cross = Image.new("L", SIZE)
    for place in ((0, 0), (12, 8), (23, 3)):
        cross.putpixel(place, 255)
    found = made(tmp_path / "in.png", cross, padding=pixels)
    assert found.convert("L").tobytes() == cross.filter(ImageFilter.MaxFilter(2 * pixels + 1)).tobytes()


def test_a_single_pixel_grows_as_far_as_is_allowed(tmp_path: Path) -> None:
    Image.new("L", (500, 8)).save(tmp_path / "in.png")
    with Image.open(tmp_path / "in.png") as image:
        image.putpixel((250, 4), 255)
        image.save(tmp_path / "in.png")
    found = mask(tmp_path / "in.png", MaskUse("task.mask", padding=200), (500, 8)).convert("L")
    assert [found.getpixel((x, 0)) for x in (49, 50, 450, 451)] == [0, 255, 255, 0]


def test_sixteen_bits(tmp_path: Path) -> None:
    image = Image.frombytes("I;16", (2, 1), (32000).to_bytes(2, "little") + (33000).to_bytes(2, "little"))
    image.save(tmp_path / "in.png")
    assert hard(mask(tmp_path / "in.png", MaskUse("task.mask"), (2, 1))).tobytes() == b"\0\xff"


class TestPasting:
    NEW, OLD = Image.new("RGB", SIZE, (250, 0, 10)), Image.effect_noise(SIZE, 90).convert("RGB")

    def test_one_or_the_other(self) -> None:
        where = soft(strokes(SIZE), 0)
        found = pasted(self.NEW, Paste(self.OLD, where))
        for x in range(SIZE[0]):
            for y in range(SIZE[1]):
                of = self.NEW if where.getpixel((x, y)) else self.OLD
                assert found.getpixel((x, y)) == of.getpixel((x, y))

    def test_a_blurred_edge_mixes(self) -> None:
        half = Image.new("L", (40, 1))
        half.paste(255, (20, 0, 40, 1))
        found = soft(half, 3.0)
        values = list(found.tobytes())
        assert values == sorted(values)
        assert values[0] == 0 and values[-1] == 255
        assert abs(values[19] + values[20] - 255) <= 2
        assert any(0 < value < 255 for value in values)
