"""What a weight file is, told by its header: the file of another key is refused by name, before torch."""

from __future__ import annotations

import json
import math
import struct
from pathlib import Path

import pytest

from tcdflow.errors import ConfigError
from tcdflow.files import base_checks
from tcdflow.files.contents import Contents, contents_of
from tcdflow.files.finder import Finder
from tcdflow.files.resolve import resolve
from tcdflow.files.safetensors_header import Header
from tcdflow.files.source import parse
from tcdflow.spec.adapter import ADAPTERS, Adapter
from tcdflow.spec.model import RunSpec
from tcdflow.spec.task import TASKS

from .fakes import pipeline, spec, write

Shapes = dict[str, tuple[int, ...]]

UNET = "model.diffusion_model.input_blocks"
CONTEXT = "1.transformer_blocks.0.attn2.to_k.weight"
VAE: Shapes = {"first_stage_model.decoder.conv_in.weight": (512, 4, 3, 3)}
CLIP: Shapes = {"cond_stage_model.transformer.text_model.final_layer_norm.weight": (768,)}
OPEN_CLIP: Shapes = {"cond_stage_model.model.ln_final.weight": (1024,)}
TWO: Shapes = {"conditioner.embedders.1.model.ln_final.weight": (1280,)}


def unet(width: int, channels: int = 4) -> Shapes:
    return {f"{UNET}.0.0.weight": (320, channels, 3, 3), f"{UNET}.4.{CONTEXT}": (640, width)}


SD15, SD21, SDXL = unet(768) | CLIP | VAE, unet(1024) | OPEN_CLIP | VAE, unet(2048) | TWO | VAE
LORA: Shapes = {"lora_unet_down_blocks_0_attentions_0_proj_in.lora_down.weight": (4, 320)}


def tell(shapes: Shapes, **metadata: str) -> Contents:
    return contents_of(Header(shapes, metadata, dict.fromkeys(shapes, "F16")))


@pytest.mark.parametrize(("shapes", "family"), [(SD15, "sd15"), (SD21, "sd21"), (SDXL, "sdxl")])
def test_checkpoints_of_each_family(shapes: Shapes, family: str) -> None:
    found = tell(shapes)
    assert found.what == f"a checkpoint of family {family}"
    assert (found.kind, found.has_vae, found.has_text_encoder, found.channels) == ("checkpoint", True, True, 4)


def test_what_a_checkpoint_lacks_and_has_more() -> None:
    assert not tell(unet(768) | CLIP).has_vae
    assert not tell(unet(768) | VAE).has_text_encoder
    old = {"cond_stage_model.transformer.embeddings.position_embedding.weight": (77, 768)}
    assert not tell(unet(768) | VAE | old).has_text_encoder, "diffusers does not know the names of 2022"
    assert tell(unet(768, 9) | CLIP | VAE).channels == 9
    ema = {"model_ema.diffusion_modelinput_blocks00weight": (320, 4, 3, 3), "model_ema.decay": ()}
    assert tell(SD15 | ema).has_ema
    found = tell(SDXL | {"v_pred": (0,), "ztsnr": (0,)})
    assert (found.predicts_v, found.zero_snr) == (True, True)
    assert tell(SD21, **{"modelspec.prediction_type": "v"}).predicts_v
    assert not tell(SD21, **{"modelspec.prediction_type": "epsilon"}).predicts_v


@pytest.mark.parametrize(
    ("name", "kind", "what"),
    [
        (next(iter(LORA)), "lora", "a LoRA"),
        ("unet.down_blocks.0.attentions.0.attn1.to_q.lora_A.weight", "lora", "a LoRA"),
        ("unet.down_blocks.0.attentions.0.attn1.processor.to_q_lora.down.weight", "lora", "a LoRA"),
        ("lora_unet_down_blocks_0_attentions_0_proj_in.hada_w1_a", "lora", "a LoRA"),
        ("lora_te_text_model_encoder_layers_0_mlp_fc1.diff", "lora", "a LoRA"),
        ("transformer.single_transformer_blocks.0.attn.to_k.lora_B.weight", "lora", "a LoRA"),
        ("double_blocks.0.img_attn.proj.lora_down.weight", "lora", "a LoRA"),
        ("down_blocks.0.motion_modules.0.temporal_transformer.to_q_lora.down.weight", "lora", "a LoRA"),
        ("decoder.conv_in.weight", "vae", "a VAE"),
        ("decoder.layers.0.weight", "tiny_vae", "a tiny VAE (TAESD)"),
        ("decoder.1.weight", "tiny_vae", "a tiny VAE (TAESD)"),
        ("control_model.time_embed.0.weight", "controlnet", "a ControlNet"),
        ("controlnet_cond_embedding.conv_in.weight", "controlnet", "a ControlNet"),
        ("ip_adapter.1.to_k_ip.weight", "ip_adapter", "an IP-Adapter"),
        ("adapter.body.0.resnets.0.block1.weight", "t2i_adapter", "a T2I-Adapter"),
        ("body.0.block1.weight", "t2i_adapter", "a T2I-Adapter"),
        ("body.0.rdb1.conv1.weight", "other", "an upscaler"),
        ("down_blocks.0.motion_modules.0.proj_in.weight", "motion_adapter", "a motion module of AnimateDiff"),
        ("model.diffusion_model.double_blocks.0.img_mod.lin.weight", "other", "a FLUX checkpoint"),
        ("double_blocks.0.img_mod.lin.weight", "other", "a FLUX checkpoint"),
        ("model.diffusion_model.joint_blocks.0.x_block.attn.qkv.weight", "other", "a Stable Diffusion 3 checkpoint"),
        ("model.diffusion_model.layers.0.attention.qkv.weight", "other", "a checkpoint of another architecture"),
        ("down_blocks.0.resnets.0.conv1.weight", "other", "a UNet without text encoder and VAE"),
        ("text_model.encoder.layers.0.mlp.fc1.weight", "other", "a text encoder"),
        ("emb_params", "embedding", "a textual inversion embedding"),
        ("weight", "unknown", "a file of unknown tensors"),
    ],
)
def test_other_files(name: str, kind: str, what: str) -> None:
    found = tell({name: (8, 4, 3, 3)})
    assert (found.kind, found.what) == (kind, what)


@pytest.mark.parametrize(("name", "kind"), ADAPTERS.items())
def test_adapters_are_told_by_their_tensors(name: str, kind: type[Adapter]) -> None:
    assert kind.tensors and kind.what != Adapter.what
    assert Contents(name).place == f"; give it as adapters.NAME.source of kind {name}"


def test_the_latents_of_a_vae() -> None:
    assert tell({"decoder.conv_in.weight": (512, 16, 3, 3)}).latent_channels == 16


@pytest.fixture
def sd(tmp_path: Path) -> Path:
    """The layout of an SD 1.5 pipeline, with its weights."""
    return write(tmp_path / "sd", pipeline())


def problem(run: RunSpec) -> str:
    with pytest.raises(ConfigError) as caught:
        resolve(run)
    (line,) = [str(problem) for problem in caught.value.problems]
    return line


@pytest.mark.parametrize(
    ("shapes", "why"),
    [
        (LORA, "is a LoRA, not a checkpoint; give it as loras.NAME.source"),
        ({"decoder.conv_in.weight": (8, 4, 3, 3)}, "is a VAE, not a checkpoint; give it as base.vae"),
        ({"double_blocks.0.img_mod.lin.weight": (8,)}, "is a FLUX checkpoint, not a checkpoint"),
        (SDXL, "is of family sdxl, and base.family is sd15; choose a base of that family first (tcdflow ls base)"),
        (unet(768) | VAE, "is a checkpoint without a text encoder that diffusers can read; a whole one is needed"),
        (unet(1280), "is the refiner of SDXL, which goes on from images of SDXL and is not supported"),
    ],
)
def test_a_single_file_base_that_is_another_thing(shapes: Shapes, why: str, sd: Path, tmp_path: Path) -> None:
    file = sparse(tmp_path / "x.safetensors", shapes)
    for config in (str(sd), None):  # one line also where the layout is not given
        line = problem(spec(str(file), config=config))
        assert line.startswith(f"base.source: '{file}': ")
        assert line.endswith(why)


@pytest.mark.parametrize(
    ("shapes", "why"),
    [
        (SD15, "is a checkpoint of family sd15, not a LoRA; give it as base.source"),
        ({"decoder.conv_in.weight": (8, 4, 3, 3)}, "is a VAE, not a LoRA; give it as base.vae"),
    ],
)
def test_a_lora_that_is_another_thing(shapes: Shapes, why: str, sd: Path, tmp_path: Path) -> None:
    file = sparse(tmp_path / "x.safetensors", shapes)
    assert problem(spec(str(sd), loras={"a": str(file)})) == f"loras.a.source: '{file}': x.safetensors {why}"


def test_another_family_in_a_folder(tmp_path: Path) -> None:
    unet_config = json.dumps({"cross_attention_dim": 2048}).encode()
    sdxl = write(tmp_path / "sdxl", {**pipeline(), "unet/config.json": unet_config})
    assert "is of family sdxl, and base.family is sd15" in problem(spec(str(sdxl)))
    flux = json.dumps({"_class_name": "FluxPipeline", "transformer": ["diffusers", "FluxTransformer2DModel"]}).encode()
    folder = write(tmp_path / "flux", {"model_index.json": flux})
    assert "is a FluxPipeline, without a UNet; the families of bases are" in problem(spec(str(folder)))


@pytest.mark.parametrize(("channels", "key"), [(9, "task = 'text_to_image'"), (8, "base.source = ")])
def test_a_unet_for_another_task(channels: int, key: str, tmp_path: Path) -> None:
    config = json.dumps({"in_channels": channels}).encode()
    folder = write(tmp_path / "base", {**pipeline(), "unet/config.json": config})
    assert problem(spec(str(folder))).startswith(key)


def test_an_inpainting_checkpoint_needs_the_layout_of_one(sd: Path, tmp_path: Path) -> None:
    file = sparse(tmp_path / "x.safetensors", unet(768, 9) | CLIP | VAE)
    run = spec(str(file), config=str(sd))
    inpainting = TASKS["inpainting"].model_construct(name="inpainting")
    found = {artifact.role: artifact for artifact in (Finder().pipeline("base", parse(str(file)), run.base, False),)}
    found["base.config"] = Finder().pipeline_config("base.config", parse(str(sd)))
    (line,) = map(str, base_checks.problems(run.model_copy(update={"task": inpainting}), found))
    assert line.startswith("base.config = ")
    assert "takes 4 channels and that of the checkpoint 9" in line


@pytest.mark.parametrize(
    ("shapes", "prediction", "warned"),
    [
        (SD15, "epsilon", []),
        (SD15 | {"model_ema.diffusion_modelout2bias": (4,)}, "epsilon", ["holds the EMA weights of its training too"]),
        (SD15 | {"v_pred": (0,)}, "epsilon", ["set base.prediction_type=v_prediction and scheduler.prediction_type"]),
        (SD15, "v_prediction", ["but the base's scheduler config says epsilon, which is used"]),
    ],
)
def test_warnings_of_a_checkpoint(shapes: Shapes, prediction: str, warned: list[str], sd: Path, tmp_path: Path) -> None:
    file = sparse(tmp_path / "x.safetensors", shapes)
    run = spec(str(file), config=str(sd), prediction_type=prediction)
    said = list(base_checks.warnings(run, resolve(run)))
    assert len(said) == len(warned)
    assert all(part in line for part, line in zip(warned, said, strict=True))


@pytest.mark.parametrize(
    ("scheduler", "tensor", "config", "warned"),
    [
        ({"name": "tcd"}, True, None, "set scheduler.rescale_betas_zero_snr=true"),
        ({"name": "tcd", "rescale_betas_zero_snr": True}, True, None, None),
        ({"name": "tcd"}, True, True, None),
        ({"name": "tcd"}, False, True, None),
        ({"name": "tcd", "rescale_betas_zero_snr": False}, False, True, "set scheduler.rescale_betas_zero_snr=true"),
        ({"name": "tcd"}, False, None, None),
        ({"name": "heun"}, True, None, "which scheduler heun does not know"),
        ({"name": "heun"}, False, True, "which scheduler heun does not know"),
        ({"name": "heun"}, False, None, None),
    ],
)
def test_a_schedule_that_ends_in_pure_noise(
    scheduler: dict[str, object], tensor: bool, config: bool | None, warned: str | None, tmp_path: Path
) -> None:
    says = {"prediction_type": "v_prediction"} | ({} if config is None else {"rescale_betas_zero_snr": config})
    layout = write(tmp_path / "sd", {**pipeline(), "scheduler/scheduler_config.json": json.dumps(says).encode()})
    file = sparse(tmp_path / "x.safetensors", SD15 | {"v_pred": (0,)} | ({"ztsnr": (0,)} if tensor else {}))
    run = spec(str(file), config=str(layout), prediction_type="v_prediction")
    run = RunSpec.model_validate(run.model_dump() | {"scheduler": scheduler})
    said = list(base_checks.warnings(run, resolve(run)))
    assert len(said) == (warned is not None)
    assert all(str(warned) in line for line in said)


def sparse(path: Path, shapes: Shapes) -> Path:
    """A safetensors file of zeros that take no room."""
    header: dict[str, object] = {}
    end = 0
    for name, shape in shapes.items():
        start, end = end, end + math.prod(shape)
        header[name] = {"dtype": "U8", "shape": list(shape), "data_offsets": [start, end]}
    text = json.dumps(header).encode()
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(8 + len(text) + end)
    return path
