"""From a user's image to a control image: bits as in hand-written scripts, and one line for what is broken."""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from tcdflow.errors import RunError, SourceError
from tcdflow.inputs.decode import decode
from tcdflow.inputs.fit import fit
from tcdflow.parts.preprocessors.canny import Canny
from tests.standins import StandIns

if TYPE_CHECKING:
    import torch

    from tcdflow.parts.preprocessors.depth import DepthEstimator

ORIENTATION = 0x0112
ROUND = Image.effect_mandelbrot((61, 47), (-2, -1.2, 1, 1.2), 60)


def picture(size: tuple[int, int] = (61, 47), mode: str = "RGB") -> Image.Image:
    rng = np.random.default_rng(7)
    noise = Image.fromarray(rng.integers(0, 256, (size[1], size[0], 4), dtype=np.uint8))
    return Image.blend(ROUND.resize(size).convert("RGBA"), noise, 0.3).convert(mode)


def edges(image: Image.Image, low: int, high: int) -> Image.Image:
    return Canny(name="canny", low=low, high=high)(image, image.size, {}, None)


def exif(orientation: int) -> Image.Exif:
    data = Image.Exif()
    data[ORIENTATION] = orientation
    return data


def chunks_behind_pixels(path: Path, orientation: int) -> None:
    """Write a PNG whose EXIF follows its pixels, as the standard allows and some editors do."""
    info = PngImagePlugin.PngInfo()
    info.add(b"eXIf", exif(orientation).tobytes().removeprefix(b"Exif\0\0"), after_idat=True)
    picture().save(path, pnginfo=info)


KINDS: dict[str, Callable[[Path], None]] = {
    "rgb.png": lambda path: picture().save(path),
    "grey.png": lambda path: picture(mode="L").save(path),
    "palette.png": lambda path: picture().quantize(16).save(path),
    "opaque.png": lambda path: picture().convert("RGBA").save(path),
    "two_colours.png": lambda path: picture(mode="1").save(path),
    "floats.tif": lambda path: picture(mode="F").save(path),
    "cmyk.jpg": lambda path: picture(mode="CMYK").save(path),
    "cmyk.tif": lambda path: picture(mode="CMYK").save(path),
    "plain.jpg": lambda path: picture().save(path),
    "lossy.webp": lambda path: picture().convert("RGBA").save(path),
    "plain.bmp": lambda path: picture().save(path),
    "frames.gif": lambda path: picture().save(path, save_all=True, append_images=[ROUND, picture(mode="L")]),
    "frames.png": lambda path: picture().save(path, save_all=True, append_images=[picture(mode="L").convert("RGB")]),
    "more_behind.jpg": lambda path: picture().save(path, "MPO", save_all=True, append_images=[picture((9, 9))]),
    **{f"turned_{n}.jpg": lambda path, n=n: picture().save(path, exif=exif(n)) for n in range(1, 9)},  # type: ignore[misc]
    "turned.png": lambda path: picture().save(path, exif=exif(6)),
    "turned.webp": lambda path: picture().save(path, exif=exif(8)),
    "turned.tif": lambda path: picture().save(path, exif=exif(5)),
    "turned_behind.png": lambda path: chunks_behind_pixels(path, 6),
    "misnamed.txt": lambda path: picture().save(path, "PNG"),
}


class TestLoading:
    """Files that a user may have."""

    @pytest.mark.parametrize("name", KINDS)
    def test_as_diffusers_loads_it(self, tmp_path: Path, name: str) -> None:
        from diffusers.utils import load_image

        KINDS[name](tmp_path / name)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs = load_image(str(tmp_path / name))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            ours = decode(tmp_path / name).image
        assert (ours.mode, ours.size) == ("RGB", theirs.size)
        assert ours.tobytes() == theirs.tobytes()

    @pytest.mark.parametrize("name", ["cut.png", "cut.jpg", "cut.webp", "cut.bmp", "cut.tif", "cut.gif"])
    @pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
    def test_a_cut_file_is_one_line(self, tmp_path: Path, name: str, share: float) -> None:
        path = tmp_path / name
        picture((200, 160)).save(path)
        path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
        with pytest.raises(SourceError) as caught:
            decode(path)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)

    @given(data=st.data())
    def test_no_bytes_make_a_traceback(self, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
        folder = tmp_path_factory.mktemp("broken")
        suffix = data.draw(st.sampled_from(["png", "jpg", "webp", "bmp", "tif", "gif"]))
        path = folder / f"broken.{suffix}"
        picture((24, 20)).save(path)
        content = bytearray(path.read_bytes())
        for _ in range(data.draw(st.integers(1, 4))):
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
        path.write_bytes(content)
        try:
            assert decode(path).image.mode == "RGB"
        except SourceError as error:
            assert "\n" not in str(error)


sizes = st.tuples(st.integers(1, 90), st.integers(1, 90))


class TestFitting:
    """The three ways to a size."""

    @given(sizes, sizes, st.sampled_from(["resize", "crop"]))
    def test_the_result_has_the_size(self, size: tuple[int, int], target: tuple[int, int], how: Any) -> None:
        assert fit(picture(size), *target, how).size == target

    @given(sizes, sizes)
    def test_none_is_the_very_image(self, size: tuple[int, int], target: tuple[int, int]) -> None:
        given_one = picture(size)
        assert fit(given_one, *target, "none") is given_one

    def test_resize_is_the_guides(self) -> None:
        assert fit(picture(), 32, 40, "resize").tobytes() == picture().resize((32, 40)).tobytes()

    @given(sizes, st.integers(1, 4))
    def test_crop_of_the_same_shape_is_resize(self, size: tuple[int, int], times: int) -> None:
        target = (size[0] * times, size[1] * times)
        assert fit(picture(size), *target, "crop").tobytes() == fit(picture(size), *target, "resize").tobytes()

    @given(sizes, sizes)
    def test_crop_neither_distorts_nor_wastes(self, size: tuple[int, int], target: tuple[int, int]) -> None:
        """The cut spans one side, its centre is the image's, its shape the target's to half a pixel."""
        seen: list[tuple[int, int, int, int]] = []

        class Spy:
            def __init__(self) -> None:
                self.size = size

            def crop(self, box: tuple[int, int, int, int]) -> Image.Image:
                seen.append(box)
                return picture(size).crop(box)

        fit(Spy(), *target, "crop")  # type: ignore[arg-type]
        ((left, top, right, bottom),) = seen
        width, height = right - left, bottom - top
        assert 0 <= left < right <= size[0]
        assert 0 <= top < bottom <= size[1]
        assert width == size[0] or height == size[1]
        assert abs(left - (size[0] - right)) <= 1
        assert abs(top - (size[1] - bottom)) <= 1
        if width > 1:
            assert abs(width - height * target[0] / target[1]) <= 0.5 or width == size[0]
        if height > 1:
            assert abs(height - width * target[1] / target[0]) <= 0.5 or height == size[1]

    def test_a_cut_that_needs_no_scaling_keeps_the_pixels(self) -> None:
        assert fit(picture((61, 47)), 40, 47, "crop").tobytes() == picture((61, 47)).crop((10, 0, 50, 47)).tobytes()


class TestEdges:
    """Canny."""

    def test_the_usual_recipe(self) -> None:
        import cv2

        lines = cv2.Canny(np.array(picture()), 100, 200)
        lines = lines[:, :, None]
        theirs = Image.fromarray(np.concatenate([lines, lines, lines], axis=2))
        ours = edges(picture(), 100, 200)
        assert (ours.mode, ours.size) == ("RGB", (61, 47))
        assert ours.tobytes() == theirs.tobytes()
        assert set(np.unique(np.array(ours))) == {0, 255}

    def test_thresholds_matter(self) -> None:
        counts = [
            int(np.count_nonzero(np.array(edges(picture(), *ends)))) for ends in ((0, 0), (100, 200), (9999, 9999))
        ]
        assert counts[0] > counts[1] > counts[2] == 0

    @pytest.mark.parametrize("size", [(1, 1), (3, 1), (1, 5)])
    def test_tiny_images(self, size: tuple[int, int]) -> None:
        assert edges(Image.new("RGB", size), 100, 200).size == size

    def test_a_plain_image_has_none(self) -> None:
        assert not np.array(edges(Image.new("RGB", (16, 16), "red"), 0, 0)).any()


def guides_depth_map(folder: Path, image: Image.Image, width: int, height: int) -> Image.Image:
    """The guide's get_depth_map, on a CPU and so without autocast; written from the guide and not from tcdflow."""
    import torch
    from transformers import DPTForDepthEstimation, DPTImageProcessor

    depth_estimator = DPTForDepthEstimation.from_pretrained(folder)
    feature_extractor = DPTImageProcessor.from_pretrained(folder)
    pixels = feature_extractor(images=image, return_tensors="pt").pixel_values
    with torch.no_grad():
        depth_map = depth_estimator(pixels).predicted_depth
    depth_map = torch.nn.functional.interpolate(
        depth_map.unsqueeze(1), size=(height, width), mode="bicubic", align_corners=False
    )
    depth_min = torch.amin(depth_map, dim=[1, 2, 3], keepdim=True)
    depth_max = torch.amax(depth_map, dim=[1, 2, 3], keepdim=True)
    depth_map = (depth_map - depth_min) / (depth_max - depth_min)
    cat = torch.cat([depth_map] * 3, dim=1)
    array = cat.permute(0, 2, 3, 1).cpu().numpy()[0]
    return Image.fromarray((array * 255.0).clip(0, 255).astype(np.uint8))


@pytest.fixture(scope="module")
def folder(standins: StandIns) -> Path:
    return standins.depth_estimator


@pytest.fixture(scope="module")
def estimator(folder: Path) -> DepthEstimator:
    import torch

    from tcdflow.parts.preprocessors.depth import DepthEstimator

    return DepthEstimator(folder, torch.device("cpu"), torch.float32)


def answers(monkeypatch: pytest.MonkeyPatch, depth: torch.Tensor) -> None:
    """Have every depth model answer with this."""
    from transformers import DPTForDepthEstimation

    said = SimpleNamespace(predicted_depth=depth)
    monkeypatch.setattr(DPTForDepthEstimation, "forward", lambda self, pixels: said)


class TestDepth:
    """The depth estimator, on its stand-in."""

    @pytest.mark.parametrize("size", [(64, 64), (96, 40), (40, 96), (1, 1), (333, 7)])
    def test_the_guides_bits(self, folder: Path, estimator: DepthEstimator, size: tuple[int, int]) -> None:
        ours = estimator(picture((120, 80)), *size)
        assert (ours.mode, ours.size) == ("RGB", size)
        if size != (1, 1):  # there the guide divides by zero
            assert ours.tobytes() == guides_depth_map(folder, picture((120, 80)), *size).tobytes()

    def test_it_uses_the_whole_range(self, estimator: DepthEstimator) -> None:
        values = np.array(estimator(picture(), 64, 48))
        assert (values.min(), values.max()) == (0, 255)
        assert (values[..., 0] == values[..., 1]).all()
        assert (values[..., 0] == values[..., 2]).all()

    def test_it_repeats(self, folder: Path, estimator: DepthEstimator) -> None:
        import torch

        from tcdflow.parts.preprocessors.depth import DepthEstimator

        before = torch.random.get_rng_state()
        again = DepthEstimator(folder, torch.device("cpu"), torch.float32)
        first = estimator(picture(), 64, 48).tobytes()
        assert estimator(picture(), 64, 48).tobytes() == first == again(picture(), 64, 48).tobytes()
        assert torch.equal(before, torch.random.get_rng_state())

    @pytest.mark.parametrize("depth", [0.0, 3.3, 1e4])
    def test_a_constant_map_is_black(self, estimator: DepthEstimator, monkeypatch: Any, depth: float) -> None:
        import torch

        answer = torch.full((1, 64, 64), depth)
        answers(monkeypatch, answer)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert estimator(picture(), 100, 37).tobytes() == bytes(100 * 37 * 3)

    def test_a_plain_image_gives_numbers(self, estimator: DepthEstimator) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert estimator(Image.new("RGB", (50, 50), "white"), 64, 64).size == (64, 64)

    def test_numbers_that_are_none_end_the_run(self, estimator: DepthEstimator, monkeypatch: Any) -> None:
        import torch

        answer = torch.tensor([[[1.0, float("nan")], [2.0, 3.0]]])
        answers(monkeypatch, answer)
        with pytest.raises(RunError, match="undefined"):
            estimator(picture(), 64, 64)

    def test_half_precision_on_a_cpu(self, folder: Path, estimator: DepthEstimator) -> None:
        import torch

        from tcdflow.parts.preprocessors.depth import DepthEstimator

        half = DepthEstimator(folder, torch.device("cpu"), torch.bfloat16)
        ours = np.array(half(picture(), 64, 48)).astype(int)
        assert np.abs(ours - np.array(estimator(picture(), 64, 48)).astype(int)).mean() < 16

    def test_another_kind_of_model_is_refused(self, folder: Path, tmp_path: Path) -> None:
        import torch

        from tcdflow.parts.preprocessors.depth import DepthEstimator

        copy = Path(shutil.copytree(folder, tmp_path / "model"))
        (copy / "config.json").write_text(json.dumps({"model_type": "clip"}))
        with pytest.raises(SourceError, match="'clip', not 'dpt'"):
            DepthEstimator(copy, torch.device("cpu"), torch.float32)

    @pytest.mark.parametrize("lost", ["config.json", "preprocessor_config.json", "model.safetensors"])
    def test_a_lost_file_is_one_line(self, folder: Path, tmp_path: Path, lost: str) -> None:
        import torch

        from tcdflow.parts.preprocessors.depth import DepthEstimator

        copy = Path(shutil.copytree(folder, tmp_path / "model"))
        (copy / lost).unlink()
        with pytest.raises(SourceError) as caught:
            DepthEstimator(copy, torch.device("cpu"), torch.float32)
        assert str(copy) in str(caught.value)
        assert "\n" not in str(caught.value)

    def test_missing_weights(self, folder: Path, tmp_path: Path) -> None:
        """The published checkpoints leave out what the model never uses; anything else would be made up."""
        import torch
        from safetensors.torch import load_file, save_file

        from tcdflow.parts.preprocessors.depth import DepthEstimator

        copy = Path(shutil.copytree(folder, tmp_path / "model"))
        weights = load_file(copy / "model.safetensors")
        assert not any(name.startswith("neck.fusion_stage.layers.0.residual_layer1.") for name in weights)
        kept = {name: value for name, value in weights.items() if not name.startswith("head.head.4.")}
        save_file(kept, copy / "model.safetensors", {"format": "pt"})
        with pytest.raises(SourceError, match=r"lack 2 of the model's, e\.g\. head\.head\.4\.bias"):
            DepthEstimator(copy, torch.device("cpu"), torch.float32)
