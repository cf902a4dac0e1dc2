"""What a base and its VAE say of themselves, held against what the run asks for: before torch, and before a download.

A base of another family loads now and then, and draws noise: SD 1.5 and SDXL have VAEs of one shape, and a UNet that
predicts v fits every place of one that predicts epsilon.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tcdflow.errors import Problem, SourceError
from tcdflow.files import model_index
from tcdflow.files.artifact import Artifact, Artifacts
from tcdflow.files.contents import Contents, contents, family_of
from tcdflow.spec.family import FAMILIES
from tcdflow.spec.model import BaseModelSpec, RunSpec

_REFINER_WIDTH = 1280
"""Of the text embeddings of SDXL's refiner, which has the second of SDXL's text encoders alone."""

_PLAIN, _INPAINTING = 4, 9
"""Channels that a UNet takes: of the latents, and of these with an image and a mask."""

_ZERO_SNR = "scheduler.rescale_betas_zero_snr"
_VAE, _TINY = "AutoencoderKL", "AutoencoderTiny"
_SCALING = 0.18215
"""What the config of a VAE means that names no ``scaling_factor``, as those of SD 1.5 do."""


def check_checkpoint(found: Contents, base: BaseModelSpec) -> None:
    """Refuse a single-file checkpoint that is not what its spec says.

    Raises:
        SourceError: saying what it is.
    """
    if found.kind == "checkpoint":
        _check_width(found.width, base)
        if not found.has_text_encoder:
            raise SourceError("is a checkpoint without a text encoder that diffusers can read; a whole one is needed")


def check_class(index: Mapping[str, Any], components: Mapping[str, str], base: BaseModelSpec) -> None:
    """Refuse a pipeline of another architecture.

    Args:
        index: its ``model_index.json``.
        components: that it names.
        base: what its spec says.

    Raises:
        SourceError: naming its class.
    """
    denoiser = FAMILIES[base.family].denoiser_folder
    if denoiser not in components:
        name = str(index.get("_class_name", "pipeline"))[:60]
        lacks = {"unet": "UNet"}.get(denoiser, denoiser)
        raise SourceError(f"is a {name}, without a {lacks}; the families of bases are {', '.join(FAMILIES)}")


def check_folder(base: Artifact, spec: BaseModelSpec) -> None:
    """Refuse a pipeline's folder that is of another family than its spec says.

    Raises:
        SourceError: naming both.
    """
    width = _config(base, f"{FAMILIES[spec.family].denoiser_folder}/config.json").get("cross_attention_dim")
    _check_width(width if isinstance(width, int) else None, spec)


def _check_width(width: int | None, base: BaseModelSpec) -> None:
    family = family_of(width)
    if family not in (None, base.family):
        what = f"is of family {family}, and base.family is {base.family}"
        raise SourceError(f"{what}; choose a base of that family first (tcdflow ls base)")
    if width == _REFINER_WIDTH:
        raise SourceError("is the refiner of SDXL, which goes on from images of SDXL and is not supported")


def check_vae(vae: Artifact, found: Contents | None, layout: Artifact, spec: BaseModelSpec) -> None:
    """Refuse a VAE whose latents are not those of the base.

    Args:
        vae: its files.
        found: what it holds, if it is a single file and that is known.
        layout: the base's folder, or the one that a single-file base follows.
        spec: of the base.

    Raises:
        SourceError: saying what it is.
    """
    own = _config(layout, "vae/config.json")
    channels = own.get("latent_channels", _PLAIN)
    if found is not None:
        if found.kind == "checkpoint":
            _check_width(found.width, spec)
        if found.latent_channels not in (None, channels):
            raise SourceError(f"decodes {found.latent_channels} latent channels, and the base has {channels}")
        return
    config = _config(vae, "config.json")
    kind = config.get("_class_name", _VAE)
    if kind == _TINY:
        raise SourceError(f"is an {_TINY}; give it as runtime.tiny_vae")
    if kind != _VAE:
        raise SourceError(f"is a {str(kind)[:60]}; an {_VAE} is needed")
    for field, default in (("latent_channels", _PLAIN), ("scaling_factor", _SCALING)):
        has, needs = config.get(field, default), own.get(field, default)
        if own and has != needs:
            raise SourceError(f"is made for other bases: its {field} is {has}, and that of the base's own VAE {needs}")


def problems(spec: RunSpec, files: Mapping[str, Artifact]) -> Iterator[Problem]:
    """Yield each reason for which a base cannot do what a run asks for.

    Args:
        spec: the run.
        files: what was found, by role.
    """
    base, config, tiny = (files.get(role) for role in ("base", "base.config", "runtime.tiny_vae"))
    if tiny is not None and (kind := _config(tiny, "config.json").get("_class_name", _TINY)) != _TINY:
        place = "; give it as base.vae" if kind == _VAE else ""
        yield Problem("runtime.tiny_vae", f"is an {str(kind)[:60]}, and an {_TINY} is needed{place}", tiny.source)
    if base is None or (base.single and config is None):
        return
    says = _config(config or base, f"{spec.family.denoiser_folder}/config.json").get("in_channels", _PLAIN)
    channels = says
    if base.single and (found := _local(base)) and found.channels is not None:
        channels = found.channels
    if channels not in (_PLAIN, _INPAINTING):
        what = f"its UNet takes {channels} channels: a base of depth, pix2pix or upscaling, which are not supported"
        yield Problem("base.source", what, base.source)
    elif channels == _INPAINTING and spec.task.name != "inpainting":
        what = "the UNet of this base takes an image and a mask (9 channels), as task=inpainting gives them"
        yield Problem("task", what, spec.task.name)
    elif channels != says:
        what = f"its UNet takes {says} channels and that of the checkpoint {channels}; name the layout of such a base"
        yield Problem("base.config", what, spec.base.config)


def warnings(spec: RunSpec, files: Artifacts) -> Iterator[str]:
    """Yield what a base holds and a run does not use, or uses otherwise than its spec says."""
    base = files.by_role.get("base")
    if base is None or base.absent:
        return
    found = _local(base) if base.single else None
    yield from _names(spec)
    if spec.base.vae is None and (vae := files.by_role.get("base.vae")):
        yield f"base.source holds no VAE; that of {vae.source} takes its place (base.vae)"
    if found and found.has_ema:
        yield "base.source holds the EMA weights of its training too; the plain ones are used, as diffusers does"
    schedule = _config(files.base_config or base, "scheduler/scheduler_config.json")
    says = schedule.get("prediction_type", "epsilon")
    used = spec.scheduler.prediction_type or says
    if found and found.predicts_v and used != "v_prediction":
        keys = "base.prediction_type=v_prediction and scheduler.prediction_type=v_prediction"
        keys += f" and {_ZERO_SNR}=true" if found.zero_snr else ""
        yield f"base.source says that its UNet predicts v, and the run takes that for {used}; set {keys}"
    elif used != spec.base.prediction_type:
        own = f"base.prediction_type={spec.base.prediction_type}, but the base's scheduler config says {used}"
        yield f"{own}, which is used; scheduler.prediction_type overrides it"
    if used == "v_prediction":
        yield from _zero_snr(spec, found is not None and found.zero_snr, schedule)


def _zero_snr(spec: RunSpec, tensors: bool, schedule: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a run does not do for a base whose schedule ends in pure noise (arXiv 2305.08891).

    Args:
        spec: the run.
        tensors: whether the checkpoint says so.
        schedule: the base's scheduler config, which may say so.
    """
    own = schedule.get("rescale_betas_zero_snr") is True
    field = _ZERO_SNR.rpartition(".")[2]
    if field not in type(spec.scheduler).model_fields:
        if tensors or own:
            yield f"base.source was trained with zero terminal SNR, which scheduler {spec.scheduler.name} does not know"
    elif (tensors or own) and not (own if (asked := getattr(spec.scheduler, field)) is None else asked):
        yield f"base.source says that it was trained with zero terminal SNR; set {_ZERO_SNR}=true"


def _names(spec: RunSpec) -> Iterator[str]:
    """Yield VAEs that are for another family by their names: their files do not differ in anything else."""
    for key, source in (("base.vae", spec.base.vae), ("runtime.tiny_vae", spec.runtime.tiny_vae)):
        name = (source or "").rstrip("/").rpartition("/")[2]
        said = [
            other for other, family in FAMILIES.items() if family.in_file_names and family.in_file_names.search(name)
        ]
        if said and spec.base.family not in said and spec.family.in_file_names:
            yield f"{key}: {name} sounds as if it were for {' or '.join(said)}, and base.family is {spec.base.family}"


def _local(artifact: Artifact) -> Contents | None:
    """Say what a single file holds, if it is here."""
    if artifact.absent or not artifact.files[0].endswith(".safetensors"):
        return None
    try:
        return contents(artifact.root / artifact.files[0])
    except (OSError, SourceError):  # the loader will say what is wrong
        return None


def _config(artifact: Artifact, name: str) -> dict[str, Any]:
    """Return a small JSON of a model, empty if it has none."""
    path = artifact.root / name
    try:
        return model_index.read_config(path) if name in artifact.files else {}
    except (OSError, SourceError):
        return {}
