"""The VAE of a run: the base's own, the one of ``base.vae``, or that of the layout that a checkpoint follows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tcdflow.errors import ConfigError
from tcdflow.files import base_checks
from tcdflow.files.lock import lock
from tcdflow.files.resolve import look, resolve
from tcdflow.record.key import effect, run_key
from tcdflow.spec import rules
from tcdflow.spec.model import RunSpec
from tests.hub import StandInHub

from .fakes import needed, pipeline, spec, weights, write
from .test_contents import CLIP, LORA, SD15, SDXL, VAE, Shapes, sparse, unet

OWN = "vae/diffusion_pytorch_model.safetensors"


def vae(folder: Path, **config: object) -> Path:
    """A VAE in a folder of its own."""
    text = json.dumps({"_class_name": "AutoencoderKL", **config}).encode()
    return write(folder, {"config.json": text, "diffusion_pytorch_model.safetensors": weights(5.0, "vae")})


def problem(run: RunSpec) -> str:
    with pytest.raises(ConfigError) as caught:
        resolve(run)
    (line,) = [str(problem) for problem in caught.value.problems]
    return line


def test_a_folder_takes_the_place_of_the_base_s_own_weights(sd: Path, tmp_path: Path) -> None:
    other = vae(tmp_path / "other")
    found = resolve(spec(str(sd), vae=str(other)))
    assert set(found.base.files) == needed() - {OWN}, "its config stays, which a single file follows"
    assert found.by_role["base.vae"].path == other
    assert found.by_role["base.vae"].key == "base.vae"


def test_a_single_file_follows_the_config_of_the_base_s_own(sd: Path, tmp_path: Path) -> None:
    file = sparse(tmp_path / "vae.safetensors", {"decoder.conv_in.weight": (8, 4, 3, 3)})
    found = resolve(spec(str(sd), vae=str(file)))
    assert found.by_role["base.vae"].single
    assert "vae/config.json" in found.base.files
    whole = sparse(tmp_path / "checkpoint.safetensors", SD15)
    assert resolve(spec(str(sd), vae=str(whole))).by_role["base.vae"].single, "a checkpoint has one to give"


def test_it_enters_the_run_key_by_its_content(sd: Path, tmp_path: Path) -> None:
    one, same, other = vae(tmp_path / "one"), vae(tmp_path / "same"), vae(tmp_path / "other", act_fn="relu")
    runs = [spec(str(sd), vae=str(folder)) for folder in (one, same, other)] + [spec(str(sd))]
    keys = [run_key(run, lock(resolve(run))) for run in runs]
    assert keys[0] == keys[1]
    assert len(set(keys)) == 3
    assert effect("base.vae") == "files"


@pytest.mark.parametrize(
    ("config", "why"),
    [
        ({"scaling_factor": 0.13025}, "its scaling_factor is 0.13025, and that of the base's own VAE 0.18215"),
        ({"latent_channels": 16}, "its latent_channels is 16, and that of the base's own VAE 4"),
        ({"_class_name": "AutoencoderTiny"}, "is an AutoencoderTiny; give it as runtime.tiny_vae"),
        ({"_class_name": "ConsistencyDecoderVAE"}, "is a ConsistencyDecoderVAE; an AutoencoderKL is needed"),
    ],
)
def test_a_folder_of_another_kind(config: dict[str, object], why: str, sd: Path, tmp_path: Path) -> None:
    other = vae(tmp_path / "other", **config)
    assert problem(spec(str(sd), vae=str(other))).startswith(f"base.vae: '{other}': ")
    assert problem(spec(str(sd), vae=str(other))).endswith(why)


@pytest.mark.parametrize(
    ("shapes", "why"),
    [
        (LORA, "is a LoRA, not a VAE; give it as loras.NAME.source"),
        ({"decoder.conv_in.weight": (8, 16, 3, 3)}, "decodes 16 latent channels, and the base has 4"),
        ({"decoder.1.weight": (8, 4, 3, 3)}, "is a tiny VAE (TAESD), not a VAE; give it as runtime.tiny_vae, in a "
                                             "folder with its config.json"),
        (SDXL, "is of family sdxl, and base.family is sd15; choose a base of that family first (tcdflow ls base)"),
        (unet(768) | CLIP, "is a checkpoint of family sd15, not a VAE; give it as base.source"),
    ],
)  # fmt: skip
def test_a_file_of_another_kind(shapes: Shapes, why: str, sd: Path, tmp_path: Path) -> None:
    file = sparse(tmp_path / "x.safetensors", shapes)
    line = problem(spec(str(sd), vae=str(file)))
    assert line.startswith(f"base.vae: '{file}': ")
    assert line.endswith(why)


def test_a_pipeline_points_at_its_folders(sd: Path) -> None:
    assert "no config.json; add one of safety_checker, text_encoder, unet, vae" in problem(spec(str(sd), vae=str(sd)))


def test_a_name_that_says_another_family_is_told(sd: Path, tmp_path: Path) -> None:
    file = sparse(tmp_path / "sdxl_vae.safetensors", {"decoder.conv_in.weight": (8, 4, 3, 3)})
    run = spec(str(sd), vae=str(file))
    (line,) = base_checks.warnings(run, resolve(run))
    assert line == "base.vae: sdxl_vae.safetensors sounds as if it were for sdxl, and base.family is sd15"


def test_a_tiny_vae_takes_its_place(sd: Path) -> None:
    run = spec(str(sd), vae=str(sd / "vae"))
    run = run.model_copy(update={"runtime": run.runtime.model_copy(update={"tiny_vae": "./tiny"})})
    assert "base.vae has no effect: runtime.tiny_vae takes its place" in list(rules.warnings(run))


def test_a_whole_vae_is_no_tiny_one(sd: Path, tmp_path: Path) -> None:
    run = spec(str(sd))
    whole = str(vae(tmp_path / "whole"))
    run = run.model_copy(update={"runtime": run.runtime.model_copy(update={"tiny_vae": whole})})
    what = "is an AutoencoderKL, and an AutoencoderTiny is needed; give it as base.vae"
    assert problem(run) == f"runtime.tiny_vae = '{whole}': {what}"


def test_a_checkpoint_without_one_gets_that_of_its_layout(sd: Path, tmp_path: Path) -> None:
    file = sparse(tmp_path / "x.safetensors", unet(768) | CLIP)
    run = spec(str(file), config=str(sd))
    found = resolve(run)
    assert found.by_role["base.vae"].path == sd / "vae"
    assert list(base_checks.warnings(run, found)) == [
        f"base.source holds no VAE; that of {sd}/vae takes its place (base.vae)"
    ]
    assert "base.vae" not in resolve(spec(str(sparse(tmp_path / "y.safetensors", SD15)), config=str(sd))).by_role
    for weight in (sd / "vae").glob("*.safetensors"):
        weight.unlink()
    assert problem(run) == (
        f"base.vae: the checkpoint holds no VAE, and neither does base.config={sd}; name one of family sd15"
    )


def test_a_checkpoint_of_the_hub_is_known_before_it_is_fetched(hub: StandInHub, tmp_path: Path) -> None:
    bare = sparse(tmp_path / "bare.safetensors", unet(768) | CLIP).read_bytes()
    lora = sparse(tmp_path / "lora.safetensors", LORA).read_bytes()
    hub.add("some/model", {"bare.safetensors": bare, "lora.safetensors": lora})
    hub.add("some/layout", pipeline())
    run = spec("https://huggingface.co/some/model/blob/main/bare.safetensors", config="some/layout")
    found = look(run)
    assert [file.name for file in found.base.absent] == ["bare.safetensors"]
    assert found.by_role["base.vae"].source == "some/layout/vae"
    assert [entry.source for entry in lock(resolve(run)) if entry.role == "base"] == [run.base.source]
    with pytest.raises(ConfigError, match="is a LoRA, not a checkpoint"):
        look(spec("some/model/lora.safetensors", config="some/layout"))


def test_a_header_that_the_hub_does_not_send_is_no_error(hub: StandInHub, tmp_path: Path) -> None:
    bare = sparse(tmp_path / "bare.safetensors", unet(768) | CLIP | VAE).read_bytes()
    hub.add("some/model", {"bare.safetensors": bare})
    hub.add("some/layout", pipeline())
    hub.fail("error 503", r"GET /some/model/resolve/.*bare")
    assert "base.vae" not in look(spec("some/model/bare.safetensors", config="some/layout")).by_role
