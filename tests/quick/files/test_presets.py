"""Every preset of ``conf/`` is checked against a hub whose repositories hold what the real ones are known to hold."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from tcdflow.cli.command import dispatch
from tcdflow.config.compose import Composer
from tests.hub import StandInHub
from tests.hub.fixtures import point_client_at

from .listings import LISTINGS, repository

IMAGE = "IMAGE"
"""Stands for the path of an image."""

_INPAINTING = ("task=inpainting", f"task.image={IMAGE}", f"task.mask={IMAGE}")
_ANIMATION = ("task=animation", "scheduler=tcd_linear", "adapters=[motion]")


def _adapter(name: str, base: str, key: str) -> tuple[str, ...]:
    return f"base={base}", f"adapters=[{name}]", f"adapters.{key}={IMAGE}"


BASES: dict[str, tuple[str, ...]] = {
    **{name: (f"base={name}", "loras=[]") for name in ("emoji", "icons", "sd15", "sd15_mse", "sd21_base", "sdxl")},
    **{name: (f"base={name}", "loras=[]") for name in ("sdxl_fp16_fix", "animagine_xl", "toonyou")},
    "sdxl_inpainting": ("base=sdxl_inpainting", "loras=[]", *_INPAINTING),
}
LORAS: dict[str, tuple[str, ...]] = {
    **{f"tcd {base}": (f"base={base}", "loras=[tcd]") for base in ("emoji", "icons", "sd15", "sd21_base", "sdxl")},
    **{
        f"{name} {base}": (f"base={base}", f"loras=[{name}]")
        for name in ("hyper_sd", "lcm")
        for base in ("sd15", "sdxl")
    },
    "papercut": ("base=sdxl", "loras=[papercut]"),
    "sdxl_lightning": ("base=sdxl", "loras=[sdxl_lightning]"),
    "zoom_in": ("base=toonyou", "loras=[zoom_in]", *_ANIMATION),
}
ADAPTERS: dict[str, tuple[str, ...]] = {
    **{name: _adapter(name, "sdxl", f"{name}.image") for name in ("canny", "depth", "t2i_adapter")},
    **{f"{name}_sd15": _adapter(f"{name}_sd15", "sd15", f"{name}.image")
       for name in ("canny", "depth", "lineart", "tile")},
    "ip_adapter": _adapter("ip_adapter", "sdxl", "ip_adapter.images"),
    "ip_adapter_sd15": _adapter("ip_adapter_sd15", "sd15", "ip_adapter.images"),
    "motion": ("base=toonyou", "loras=[]", *_ANIMATION),
}  # fmt: skip


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandInHub]:
    """A hub with all repositories, for the whole file."""
    with StandInHub(page_size=1000) as running, pytest.MonkeyPatch.context() as patch:
        point_client_at(running.endpoint, tmp_path_factory.mktemp("hf"), patch)
        for name in LISTINGS:
            running.add(name, repository(name))
        yield running


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("photo") / "a.png"
    Image.new("RGB", (16, 16), "red").save(path)
    return path


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("overrides", BASES.values(), ids=BASES)
def test_bases(
    overrides: tuple[str, ...], dtype: str, hub: StandInHub, photo: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    check(overrides, photo, f"runtime.dtype={dtype}")


@pytest.mark.parametrize("overrides", [*LORAS.values(), *ADAPTERS.values()], ids=[*LORAS, *ADAPTERS])
def test_loras_and_adapters(
    overrides: tuple[str, ...], hub: StandInHub, photo: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    check(overrides, photo)


def check(overrides: tuple[str, ...], photo: Path, *more: str) -> None:
    asked = [word.replace(IMAGE, str(photo)) for word in overrides]
    assert dispatch(["check", *asked, *more, "prompt=a fox"]) == 0


def test_none_is_left_out(composer: Composer) -> None:
    assert set(BASES) == set(composer.options("base"))
    assert {name.split()[0] for name in LORAS} == set(composer.options("loras"))
    assert set(ADAPTERS) == set(composer.options("adapters"))


def test_the_guide_s_own_depth_estimator_is_a_pickle(
    hub: StandInHub, photo: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    asked = [*(word.replace(IMAGE, str(photo)) for word in ADAPTERS["depth"]), "prompt=a fox"]
    midas = "adapters.depth.preprocessor.source=Intel/dpt-hybrid-midas"
    assert dispatch(["check", *asked, midas]) == 2
    assert "only pickled weights (pytorch_model.bin), which can run code" in capfd.readouterr().err
    assert dispatch(["check", *asked, midas, "security.allow_pickle=true"]) == 0


@pytest.mark.parametrize(
    ("base", "first"), [("sd15", "Hyper-SD15-12steps-CFG-lora"), ("sdxl", "Hyper-SDXL-12steps-CFG-lora")]
)
def test_the_files_of_the_base_s_family_come_first(
    base: str, first: str, hub: StandInHub, capfd: pytest.CaptureFixture[str]
) -> None:
    source = "loras.hyper_sd.source=https://huggingface.co/ByteDance/Hyper-SD/tree/main"
    assert dispatch(["check", f"base={base}", "loras=[hyper_sd]", source, "prompt=a fox"]) == 2
    line = capfd.readouterr().err
    assert f"holds several weight files; add one of {first}" in line
    assert " more there) to the source" in line
