"""Each script of the guide, and SD 1.5 and SD 2.1-base beside it: the experiment makes the very pixels."""

from __future__ import annotations

from pathlib import Path

from tests.fidelity import by_hand
from tests.fidelity.conftest import Run, Thin
from tests.fidelity.from_record import assert_script_makes
from tests.fidelity.same import assert_same, equal
from tests.standins import StandIns


def test_text_to_image(run: Run, standins: StandIns) -> None:
    tcd = standins.lora("sdxl", "tcd")
    made = run("experiment=text_to_image", "base.size=64", f"base.source={standins.sdxl}", f"loras.tcd.source={tcd}")
    assert_same(made.images[0], by_hand.text_to_image(standins.sdxl, tcd))


def test_inpainting(run: Run, standins: StandIns, thin: Thin, photo: Path, mask: Path) -> None:
    base, tcd = standins.sdxl_inpainting, thin("sdxl", "tcd").parent
    made = run(
        "experiment=inpainting",
        "base.size=64",
        f"base.source={base}",
        f"loras.tcd.source={tcd}",
        f"task.image={photo}",
        f"task.mask={mask}",
    )
    assert_same(made.images[0], by_hand.inpainting(base, tcd, photo, mask))
    assert_script_makes(made)
    assert made.record.execution["unet_calls"] == 7


def test_community_model(run: Run, standins: StandIns, thin: Thin) -> None:
    base, tcd = standins.sdxl_finetune, thin("sdxl", "tcd").parent
    made = run("experiment=community_model", "base.size=64", f"base.source={base}", f"loras.tcd.source={tcd}")
    assert_same(made.images[0], by_hand.community_model(base, tcd))


def test_styled_lora(run: Run, standins: StandIns) -> None:
    tcd, style = standins.lora("sdxl", "tcd"), standins.lora("sdxl", "style")
    made = run(
        "experiment=styled_lora",
        "base.size=64",
        f"base.source={standins.sdxl}",
        f"loras.tcd.source={tcd}",
        f"loras.papercut.source={style}",
    )
    assert_same(made.images[0], by_hand.styled_lora(standins.sdxl, tcd, style))


def test_controlnet_depth(run: Run, standins: StandIns, thin: Thin, photo: Path) -> None:
    tcd, net, estimator = (
        thin("sdxl", "tcd").parent,
        standins.controlnet("sdxl", "depth"),
        standins.depth_estimator,
    )
    made = run(
        "experiment=controlnet_depth",
        "base.size=64",
        f"base.source={standins.sdxl}",
        f"loras.tcd.source={tcd}",
        f"adapters.depth.source={net}",
        f"adapters.depth.preprocessor.source={estimator}",
        f"adapters.depth.image={photo}",
    )
    assert_same(made.images[0], by_hand.controlnet_depth(standins.sdxl, tcd, net, estimator, photo))
    assert_script_makes(made)


def test_controlnet_canny(run: Run, standins: StandIns, thin: Thin, edges: Path) -> None:
    tcd, net = thin("sdxl", "tcd").parent, standins.controlnet("sdxl", "canny")
    made = run(
        "experiment=controlnet_canny",
        "base.size=64",
        f"base.source={standins.sdxl}",
        f"loras.tcd.source={tcd}",
        f"adapters.canny.source={net}",
        f"adapters.canny.image={edges}",
    )
    assert made.images[0].size == (96, 64), "the guide names no size: the control image's is taken"
    assert_same(made.images[0], by_hand.controlnet_canny(standins.sdxl, tcd, net, edges))


def test_ip_adapter(run: Run, standins: StandIns, thin: Thin, photo: Path) -> None:
    tcd, repository = thin("sdxl", "tcd").parent, standins.ip_adapter
    made = run(
        "experiment=ip_adapter",
        "base.size=64",
        f"base.source={standins.sdxl}",
        f"loras.tcd.source={tcd}",
        f"adapters.ip_adapter.source={repository / 'sdxl_models' / 'ip-adapter_sdxl.safetensors'}",
        f"adapters.ip_adapter.image_encoder={repository / 'sdxl_models' / 'image_encoder'}",
        f"adapters.ip_adapter.images={photo}",
    )
    assert_same(made.images[0], by_hand.ip_adapter(standins.sdxl, tcd, repository, photo))
    assert_script_makes(made)


def test_animation(run: Run, standins: StandIns, thin: Thin) -> None:
    base, tcd, adapter = standins.sd15_finetune, thin("sd15", "tcd").parent, standins.motion_adapter("v1-5")
    made = run(
        "experiment=animation",
        "base.size=64",
        f"base.source={base}",
        f"loras.tcd.source={tcd}",
        f"loras.zoom_in.source={standins.motion_lora / 'diffusion_pytorch_model.safetensors'}",
        f"adapters.motion.source={adapter}",
    )
    frames = by_hand.animation(base, tcd, adapter, standins.motion_lora)
    (animation,) = made.animations
    assert len(animation) == len(frames) == 24
    for ours, theirs in zip(animation, frames, strict=True):
        assert_same(ours, theirs)
    assert not equal(frames[0], frames[-1]), "nothing moves in the animation made by hand"


def test_sd15(run: Run, standins: StandIns) -> None:
    base, tcd = standins.sd15, standins.lora("sd15", "tcd")
    made = run("experiment=sd15", "base.size=64", f"base.source={base}", f"loras.tcd.source={tcd}")
    assert_same(made.images[0], by_hand.sd(base, tcd))


def test_sd21_base(run: Run, standins: StandIns) -> None:
    base, tcd = standins.sd21_base, standins.lora("sd21", "tcd")
    made = run("experiment=sd21_base", "base.size=64", f"base.source={base}", f"loras.tcd.source={tcd}")
    assert_same(made.images[0], by_hand.sd(base, tcd))
