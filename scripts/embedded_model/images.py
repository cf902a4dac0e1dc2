"""The icons as images: rendered once from their SVG, then coloured, moved and laid on a background.

Two sets of the npm registry: ``@iconify-json/noto`` (Noto Emoji, Apache-2.0) and ``@iconify-json/fluent-emoji-flat``
(Fluent Emoji, MIT). Rendering takes the package resvg-py.
"""

from __future__ import annotations

import io
import json
import random
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from scripts.embedded_model.captions import BACKGROUNDS, COLOURS, STYLES, View, subjects

Pixels = npt.NDArray[np.float32]

SIZE: Final = 128
_SETS: Final = dict(zip(STYLES, ("noto", "fluent-emoji-flat"), strict=True))
_LUMA: Final = np.array([0.299, 0.587, 0.114], np.float32)


def render(packages: Path, out: Path) -> None:
    """Render both icons of every subject into one file.

    Args:
        packages: the folder ``node_modules`` with both packages.
        out: the npz file: an array of (subjects, SIZE, SIZE, 4), RGBA, for each style.
    """
    arrays = {}
    for style, name in _SETS.items():
        icons = json.loads((packages / "@iconify-json" / name / "icons.json").read_text(encoding="utf-8"))
        arrays[style] = np.stack([_rendered(icons, subject.icon) for subject in subjects()])
    np.savez_compressed(out, **arrays)  # type: ignore[arg-type]


def _rendered(icons: dict[str, Any], name: str) -> npt.NDArray[np.uint8]:
    import resvg_py

    name = icons.get("aliases", {}).get(name, {}).get("parent", name)
    icon = icons["icons"][name]
    width, height = icon.get("width", icons.get("width", 16)), icon.get("height", icons.get("height", 16))
    left, top = icon.get("left", 0), icon.get("top", 0)
    side = max(width, height)
    box = f"{left - (side - width) / 2} {top - (side - height) / 2} {side} {side}"
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="{box}">'
    png = resvg_py.svg_to_bytes(svg_string=f"{svg}{icon['body']}</svg>", width=SIZE, height=SIZE)
    return np.asarray(Image.open(io.BytesIO(bytes(png))).convert("RGBA"))


class Icons:
    """The rendered icons, and images made of them."""

    def __init__(self, path: Path) -> None:
        """Read what :func:`render` has written."""
        with np.load(path) as arrays:
            self._icons = {style: arrays[style] for style in STYLES}
        self._number = {subject: number for number, subject in enumerate(subjects())}

    def image(self, view: View, rng: random.Random | None = None) -> Pixels:
        """Return an image of shape (SIZE, SIZE, 3) in [0, 1].

        Args:
            view: what it shows.
            rng: draws its place and size; without one it stands in the middle.
        """
        icon = self._icons[view.style][self._number[view.subject]].astype(np.float32) / 255
        rgb, alpha = icon[..., :3], icon[..., 3:]
        if view.colour is not None:
            rgb = _coloured(rgb, alpha[..., 0], view.colour)
        scale, dx, dy = 0.9, 0.0, 0.0
        if rng is not None:
            scale, dx, dy = rng.uniform(0.84, 0.94), rng.uniform(-4, 4), rng.uniform(-4, 4)
        middle = (SIZE - 1) / 2
        place = np.array([[scale, 0, middle * (1 - scale) + dx], [0, scale, middle * (1 - scale) + dy]], np.float32)
        layers = cv2.warpAffine(np.concatenate([rgb * alpha, alpha], -1), place, (SIZE, SIZE), flags=cv2.INTER_LINEAR)
        ground = np.array(BACKGROUNDS[view.background], np.float32) / 255
        return np.asarray(layers[..., :3] + (1 - layers[..., 3:]) * ground, np.float32)


def _coloured(rgb: Pixels, alpha: Pixels, colour: str) -> Pixels:
    """Return an icon in shades of a colour: its middle tone becomes the colour, black and white stay."""
    tone = np.array(COLOURS[colour], np.float32) / 255
    light = np.clip(rgb @ _LUMA, 1e-3, 1)
    aim = float(tone @ _LUMA)
    middle = float(np.clip(np.median(light[alpha > 0.5]), 0.05, 0.97))
    light = light ** float(np.clip(np.log(aim) / np.log(middle), 0.3, 6))
    up = np.clip((light - aim) / (1 - aim), 0, 1)[..., None]
    down = np.clip(light / aim, 0, 1)[..., None]
    return np.asarray(tone * down * (1 - up) + up, np.float32)
