"""The preprocessor ``invert``."""

from __future__ import annotations

from PIL import Image, ImageChops

from tcdflow.config.compose import Composer
from tcdflow.parts.preprocessors.invert import Invert


def test_it_is_255_minus_each_value() -> None:
    image = Image.merge("RGB", (Image.linear_gradient("L"), Image.radial_gradient("L"), Image.new("L", (256, 256), 7)))
    negative = Invert(name="invert")(image, image.size, {}, None)
    assert ImageChops.add(image, negative).getextrema() == ((255, 255),) * 3
    assert Invert(name="invert")(negative, image.size, {}, None).tobytes() == image.tobytes()


def test_the_preset_draws_white_on_black(composer: Composer) -> None:
    said = ["base=sd15", "adapters=[lineart_sd15]", "adapters.lineart.image=drawing.png"]
    (adapter,) = composer.compose(said).spec.adapters.values()
    assert adapter.model_dump()["preprocessor"] == {"name": "invert"}
