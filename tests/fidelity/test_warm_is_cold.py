"""A run on a warm engine has the pixels of the same run on a fresh one, whatever was run before it."""

from __future__ import annotations

import itertools
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from safetensors.torch import load_file, save_file

from tcdflow.config.compose import Composer
from tcdflow.engine.engine import Engine
from tcdflow.errors import ConfigError
from tests.fidelity.conftest import Thin
from tests.fidelity.same import equal
from tests.helpers import prepared
from tests.standins import AdapterFamily, StandIns

Frames = tuple[Image.Image, ...]


def make(composer: Composer, engine: Engine, overrides: list[str]) -> Frames:
    """All frames of all images of a run."""
    job = prepared(composer.compose([*overrides, "runtime.device=cpu"]))
    generated = engine.run(job.spec, job.files)
    return tuple(frame for sample in generated.samples for frame in sample.frames)


def differ(one: Frames, other: Frames) -> bool:
    return len(one) != len(other) or not all(map(equal, one, other))


def specs(standins: StandIns, thin: Thin, photo: Path, second: Path, mask: Path) -> dict[str, list[str]]:
    """Runs that have much in common, so that there is much to be left over from one to the next."""
    sd15 = [
        "base=sd15",
        "base.size=64",
        f"base.source={standins.sd15}",
        "prompt=a tiger on a bench",
        "sampling.steps=2",
    ]
    tcd = ["loras=[tcd]", f"loras.tcd.source={thin('sd15', 'tcd')}"]
    style = [
        "loras=[tcd,papercut]",
        *tcd[1:],
        f"loras.papercut.source={thin('sd15', 'style_text')}",
        "loras.papercut.family=sd15",
    ]
    ip_folder = standins.ip_adapter / "models"
    ip_adapter = [
        "adapters=[ip_adapter_sd15]",
        f"adapters.ip_adapter.source={ip_folder / 'ip-adapter_sd15.safetensors'}",
        f"adapters.ip_adapter.image_encoder={ip_folder / 'image_encoder'}",
        f"adapters.ip_adapter.images={second}",
    ]
    canny = [
        "adapters=[canny_sd15]",
        f"adapters.canny.source={standins.controlnet('sd15', 'canny')}",
        f"adapters.canny.image={photo}",
    ]
    blocks = "loras.papercut.weight={unet: {down: 0.2, up: {block_2: 0.9}}, text_encoder: 0.5}"
    return {
        "fused": [*sd15, *tcd],
        "bare": [*sd15, "loras=[]", "sampling.guidance_scale=3"],
        "unfused": [*sd15, *tcd, "lora_stack.fuse=false"],
        "weight": [*sd15, *tcd, "loras.tcd.weight=0.6", "sampling.seed=[3,1]"],
        "stack": [*sd15, *style, "loras.papercut.weight=0.7"],
        "stack unfused": [*sd15, *style, "loras.papercut.weight=0.7", "lora_stack.fuse=false"],
        "stack other weight": [*sd15, *style, "loras.papercut.weight=-0.4", "lora_stack.fuse=false"],
        "blocks": [*sd15, *style, blocks, "lora_stack.fuse=false"],
        "blocks fused": [*sd15, *style, blocks, "sampling.width=96"],
        "other scheduler": [*sd15, "loras=[]", "scheduler=dpmpp_2s", "sampling=teacher", "sampling.steps=4"],
        "clip_skip": [*sd15, *tcd, "sampling.clip_skip=1", "sampling.eta=1"],
        "controlnet": [*sd15, *tcd, *canny],
        "controlnet scale": [*sd15, *tcd, *canny, "adapters.canny.scale=0.4", "adapters.canny.end=0.5"],
        "ip_adapter": [*sd15, *tcd, *ip_adapter],
        "ip_adapter scale": [*sd15, *tcd, *ip_adapter, "adapters.ip_adapter.scale=0.1"],
        "ip_adapter stack": [*sd15, *style, "lora_stack.fuse=false", *ip_adapter],
        "img2img": [*sd15, *tcd, "task=image_to_image", f"task.image={photo}", "task.fit=crop"],
        "inpainting": [*sd15, *tcd, "task=inpainting", f"task.image={photo}", f"task.mask={mask}"],
        "batches": [*sd15, *tcd, "sampling.seed=[3,1,4]", "runtime.batch_size=2"],
        "emoji": ["prompt=a red heart"],
        "emoji other": ["prompt=a red heart", "loras.tcd.weight=0.9", "sampling.steps=6"],
    }


def near(runs: list[str], rng: random.Random) -> list[str]:
    """Order runs at random, but neighbours together: they share a base, so that more than loading it is tried."""
    blocks = [rng.sample(runs[at : at + 5], len(runs[at : at + 5])) for at in range(0, len(runs), 5)]
    return [name for block in rng.sample(blocks, len(blocks)) for name in block]


# One test, so that workers that share the tests do not each make all cold runs.
def test_warm_is_cold(
    composer: Composer, standins: StandIns, thin: Thin, photo: Path, second_photo: Path, mask: Path
) -> None:
    runs = specs(standins, thin, photo, second_photo, mask)
    cold = {name: make(composer, Engine(reusable=False), overrides) for name, overrides in runs.items()}
    assert batch_key(cold) == [], "an engine that does nothing when it should move on would pass for a good one"
    rng = random.Random(1)
    order = near(list(runs), rng) + rng.sample(list(runs), 3)
    engine = Engine()
    for number, name in enumerate(order):
        made = make(composer, engine, runs[name])
        assert not differ(made, cold[name]), f"{name} is another image after {order[:number]}"
    bases = [name.startswith("emoji") for name in order]
    assert engine.bases_loaded == 1 + sum(one != other for one, other in itertools.pairwise(bases))


def drawn(rng: random.Random, standins: StandIns, thin: Thin, photo: Path, mask: Path) -> list[str]:
    """A run of which everything is left to chance."""
    family: AdapterFamily = rng.choice(["sd15", "sd15", "sdxl"])
    suffix = "_sd15" if family == "sd15" else ""
    stack = rng.choice([["tcd"], ["tcd", "papercut"], ["papercut", "tcd"], []])
    weights = ["1", "0.6", "-0.3", "{unet: {down: 0.2, mid: 0.9}}"]
    said = [f"base={family}", "base.size=64", f"base.source={standins.base(family)}", f"loras=[{','.join(stack)}]"]
    for name in stack:
        said += [f"loras.{name}.source={thin(family, 'tcd' if name == 'tcd' else 'style')}"]
        said += [f"loras.{name}.weight={rng.choice(weights)}", f"~loras.{name}.family"][: 1 if name == "tcd" else 2]
    said += [f"lora_stack.fuse={rng.choice(['true', 'false'])}"]
    said += rng.choice([[], [f"adapters=[canny{suffix}]", f"adapters.canny.image={photo}"]])
    if said[-1].startswith("adapters.canny"):
        said += [f"adapters.canny.source={standins.controlnet(family, 'canny')}"]
        said += [f"adapters.canny.scale={rng.choice([0.3, 1])}"]
    painted = [f"task.image={photo}", f"task.strength={rng.choice([0.6, 1])}"]
    said += rng.choice([[], [], ["task=image_to_image", *painted], ["task=inpainting", *painted, f"task.mask={mask}"]])
    said += [f"scheduler={rng.choice(['tcd', 'ddim', 'euler', 'lcm', 'dpmpp_2m'])}"]
    said += [
        f"sampling.{rng.choice(['width', 'height'])}={rng.choice([64, 96])}",
        f"sampling.steps={rng.choice([2, 4])}",
    ]
    said += [f"sampling.guidance_scale={rng.choice([0, 3])}", f"sampling.eta={rng.choice([0, 0.3, 1])}"]
    said += [f"sampling.seed=[{rng.randrange(99)},{rng.randrange(99)}]", f"runtime.batch_size={rng.choice([1, 2])}"]
    return [*said, f"prompt={rng.choice(['a tiger', 'a bench', 'snow'])}"]


@pytest.mark.parametrize("cells", [3, pytest.param(80, marks=pytest.mark.slow)])
def test_any_run_after_any_other(
    composer: Composer, standins: StandIns, thin: Thin, photo: Path, mask: Path, cells: int
) -> None:
    rng = random.Random(cells)
    engine = Engine()
    done: list[list[str]] = []
    for _ in range(cells):
        said = drawn(rng, standins, thin, photo, mask)
        cold = make(composer, Engine(reusable=False), said)
        assert not differ(make(composer, engine, said), cold), f"{said} is another image after {done}"
        done.append(said)
    assert engine.bases_loaded < cells


def batch_key(cold: dict[str, Frames]) -> list[tuple[str, str]]:
    # Fused and unfused may agree in all 8 bits of all pixels.
    excused = {("fused", "unfused"), ("stack", "stack unfused")}
    pairs = set(itertools.combinations(cold, 2)) - excused
    return [(one, other) for one, other in pairs if not differ(cold[one], cold[other])]


@pytest.fixture
def warm(composer: Composer) -> Callable[[list[str]], Frames]:
    engine = Engine()
    return lambda overrides: make(composer, engine, overrides)


def test_a_lora_that_was_trained_on_is_loaded_again(
    warm: Callable[[list[str]], Frames], composer: Composer, standins: StandIns, thin: Thin, tmp_path: Path
) -> None:
    file = shutil.copy(thin("sd15", "tcd"), tmp_path)
    run = ["base=sd15", "base.size=64", f"base.source={standins.sd15}", f"loras.tcd.source={file}"]
    before = warm(run)
    save_file({name: tensor * 0.8 for name, tensor in load_file(file).items()}, file)
    after = warm(run)
    assert differ(before, after)
    assert not differ(after, make(composer, Engine(), run))


def test_a_lora_that_fits_in_part_is_refused_after_a_run_that_allowed_it(
    warm: Callable[[list[str]], Frames], standins: StandIns
) -> None:
    file = standins.lora_file("sd15", "partial")
    run = ["base=sd15", "base.size=64", f"base.source={standins.sd15}", "sampling.steps=1", f"loras.tcd.source={file}"]
    warm([*run, "++loras.tcd.partial=true"])
    with pytest.raises(ConfigError, match="matches 138 of its 277 modules"):
        warm(run)


def test_a_image_that_was_painted_over_is_read_again(
    warm: Callable[[list[str]], Frames], photo: Path, second_photo: Path, tmp_path: Path
) -> None:
    file = Path(shutil.copy(photo, tmp_path / "input.png"))
    run = ["task=image_to_image", f"task.image={file}"]
    before = warm(run)
    shutil.copy(second_photo, file)
    after = warm(run)
    assert differ(before, after)
    assert not differ(after, warm(["task=image_to_image", f"task.image={second_photo}"]))


def test_another_image_encoder_is_another_base(
    warm: Callable[[list[str]], Frames], composer: Composer, standins: StandIns, photo: Path, tmp_path: Path
) -> None:
    folder = standins.ip_adapter / "models"
    other = tmp_path / "image_encoder"
    shutil.copytree(folder / "image_encoder", other)
    for file in other.glob("*.safetensors"):
        save_file({name: tensor * 1.5 for name, tensor in load_file(file).items()}, file, {"format": "pt"})
    run = [
        "base=sd15",
        "base.size=64",
        f"base.source={standins.sd15}",
        "loras=[]",
        "adapters=[ip_adapter_sd15]",
        f"adapters.ip_adapter.source={folder / 'ip-adapter_sd15.safetensors'}",
        f"adapters.ip_adapter.images={photo}",
    ]
    before = warm([*run, f"adapters.ip_adapter.image_encoder={folder / 'image_encoder'}"])
    with_other = [*run, f"adapters.ip_adapter.image_encoder={other}"]
    after = warm(with_other)
    assert differ(before, after)
    assert not differ(after, make(composer, Engine(), with_other))
