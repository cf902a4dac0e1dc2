"""The preprocessor ``tile``."""

from __future__ import annotations

import pytest
from PIL import Image, ImageChops, ImageStat

from tcdflow.config.compose import Composer
from tcdflow.parts.preprocessors.tile import Tile

STRIPES = Image.new("RGB", (64, 48))
STRIPES.paste("white", (0, 0, 64, 24))
for x in range(0, 64, 2):
    STRIPES.putpixel((x, 30), (255, 255, 255))


def tile(image: Image.Image, factor: float) -> Image.Image:
    return Tile(name="tile", factor=factor)(image, image.size, {}, None)


def test_detail_goes_and_the_rest_stays() -> None:
    made = tile(STRIPES, 4)
    assert made.size == STRIPES.size
    assert ImageStat.Stat(made).mean == pytest.approx(ImageStat.Stat(STRIPES).mean, abs=2)
    line = [made.getpixel((x, 30)) for x in range(8, 56)]
    assert len(set(line)) == 1, "the dots of a line have become one grey"
    assert (made.getpixel((32, 8)), made.getpixel((32, 44))) == ((255, 255, 255), (0, 0, 0))


@pytest.mark.parametrize("factor", [1.0, 4.0, 64.0])
def test_a_plain_image_stays(factor: float) -> None:
    plain = Image.new("RGB", (24, 16), "orange")
    assert ImageChops.difference(tile(plain, factor), plain).getbbox() is None


def test_factor_one_changes_nothing() -> None:
    assert tile(STRIPES, 1).tobytes() == STRIPES.tobytes()


def test_the_preset(composer: Composer) -> None:
    said = ["base=sd15", "adapters=[tile_sd15]", "adapters.tile.image=a.png"]
    (adapter,) = composer.compose(said).spec.adapters.values()
    assert adapter.model_dump()["preprocessor"] == {"name": "tile", "factor": 4.0}
