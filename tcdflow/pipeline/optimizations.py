"""The optimizations of ``runtime`` on a pipeline, in the order that the libraries need.

A pipeline's life: its parts are assembled, :meth:`Optimizations.before_loras`, the LoRA stack is attached,
:meth:`Optimizations.after_loras`, runs. Before its LoRAs or adapters change, :meth:`Optimizations.suspend`, and
afterwards :meth:`Optimizations.after_loras` again. Each call of the pipeline stands within :func:`computing`, which
sets what belongs to the process and not to the pipeline.

Offloading comes after the LoRAs since diffusers, when it loads one, would enable it again without its device, and
since a sequentially offloaded weight cannot be fused. Layerwise casting comes after them because fusing must add to
the full weights; it cannot be undone, so a pipeline under it takes no other stack.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch

from tcdflow.errors import ConfigError, Problem, RunError
from tcdflow.libraries.diffusers import remove_group_offload
from tcdflow.libraries.torch import is_from_compiler
from tcdflow.pipeline import cublas
from tcdflow.spec.model import CompileSpec, RuntimeSpec
from tcdflow.spec.runtime_rules import device_problems

_AMPERE = (8, 0)
_REPEATED = ("BasicTransformerBlock",)
_VARIABLES = ("CUDA_LAUNCH_BLOCKING", cublas.VARIABLE)


def check(runtime: RuntimeSpec, device: torch.device) -> None:
    """Refuse what cannot work on the device that was chosen.

    Raises:
        ConfigError: naming each option without effect on this device.
    """
    problems = list(device_problems(runtime, device.type))
    if runtime.tf32 and device.type == "cuda" and torch.cuda.get_device_capability(device) < _AMPERE:
        name = torch.cuda.get_device_name(device)
        problems.append(Problem("runtime.tf32", f"needs an Ampere or later, and this is a {name}", True))
    if problems:
        raise ConfigError(problems)


class Optimizations:
    """The optimizations of one pipeline.

    Args:
        pipe: the pipeline, on ``device`` or, with offloading, on the CPU (:meth:`home`).
        denoiser: its component that is called at each step.
        runtime: what to set; checked already.
        device: where it computes.
        dtype: what it computes in.
    """

    def __init__(
        self, pipe: Any, denoiser: Any, runtime: RuntimeSpec, device: torch.device, dtype: torch.dtype
    ) -> None:
        self._pipe = pipe
        self._denoiser = denoiser
        self._runtime = runtime
        self._device = device
        self._dtype = dtype
        self._compiled = self._cast = self._offloaded = False

    @staticmethod
    def home(runtime: RuntimeSpec, device: torch.device) -> torch.device:
        """Return where a pipeline is to be loaded, and where it is whenever its LoRAs change."""
        return device if runtime.offload == "none" else torch.device("cpu")

    @property
    def final(self) -> bool:
        """Whether the weights were rounded, so that another LoRA stack needs the base reloaded."""
        return self._cast

    @property
    def portable(self) -> bool:
        """Whether the parts can go into a pipeline of another class: what is compiled or cast cannot."""
        return not self._cast and not self._compiled

    @property
    def still(self) -> bool:
        """Whether weights stay where and as they are during a call: torch's inference mode, which skips the
        bookkeeping of gradients to come, does not let them be moved or cast.
        """
        return self._runtime.offload == "none" and self.portable

    def before_loras(self) -> None:
        """Set what LoRAs do not touch: the VAE's slices and tiles, the memory format."""
        if self._runtime.vae_slicing:
            self._pipe.vae.enable_slicing()
        if self._runtime.vae_tiling:
            self._pipe.vae.enable_tiling()
        if self._runtime.channels_last:
            self._denoiser.to(memory_format=torch.channels_last)
            self._pipe.vae.to(memory_format=torch.channels_last)

    def after_loras(self) -> None:
        """Set the rest: layerwise casting, compilation, offloading."""
        if self._runtime.layerwise_casting != "none" and not self._cast:
            storage = getattr(torch, self._runtime.layerwise_casting)
            self._denoiser.enable_layerwise_casting(storage_dtype=storage, compute_dtype=self._dtype)
            self._cast = True
        if self._runtime.compile is not None and not self._compiled:
            _compile(self._denoiser, self._runtime.compile)
            self._compiled = True
        if self._runtime.offload != "none" and not self._offloaded:
            self._offload()
            self._offloaded = True

    def suspend(self) -> None:
        """Bring the pipeline home in one piece, so that LoRAs and adapters can change."""
        assert not self.final, "weights under layerwise casting are rounded; reload the base"
        if not self._offloaded:
            return
        if self._runtime.offload == "group":
            for part in self._pipe.components.values():
                if isinstance(part, torch.nn.Module):
                    remove_group_offload(part)
        else:
            self._pipe.remove_all_hooks()
        self._pipe.to(self.home(self._runtime, self._device), silence_dtype_warnings=True)
        self._offloaded = False

    def _offload(self) -> None:
        if self._runtime.offload == "model":
            self._pipe.enable_model_cpu_offload(device=self._device)
        elif self._runtime.offload == "sequential":
            self._pipe.enable_sequential_cpu_offload(device=self._device)
        else:
            options = {
                "onload_device": self._device,
                "offload_device": torch.device("cpu"),
                "offload_type": "leaf_level",
            }
            use_stream = self._device.type == "cuda"
            self._pipe.enable_group_offload(**options, use_stream=use_stream, exclude_modules="vae")
            # With a stream, weights arrive in the dtype that they had here, and SDXL decodes in another.
            self._pipe.vae.enable_group_offload(**options)


def _compile(unet: Any, spec: CompileSpec) -> None:
    # Static shapes: kernels for any shape, which a second size would bring, have other bits than a fresh process's.
    options: dict[str, Any] = {"backend": spec.backend, "dynamic": False}
    if spec.backend == "inductor":
        options["mode"] = spec.mode
    # peft freezes what it touches, and weights that change from trainable to frozen are compiled for again.
    unet.requires_grad_(False)
    if spec.scope == "unet":
        # The method and not the module: hooks that watch the module stay outside of what is compiled.
        unet.forward = torch.compile(unet.forward, **options)
        return
    # By hand: diffusers' compile_repeated_blocks does the same, but knows no UNetMotionModel.
    for module in unet.modules():
        if type(module).__name__ in _REPEATED:
            module.compile(**options)


@contextmanager
def computing(runtime: RuntimeSpec) -> Iterator[None]:
    """Set what belongs to the whole process while a run computes, and put it back whatever happens.

    cuBLAS's variable counts in the process's first run on cuda alone (:mod:`tcdflow.pipeline.cublas`).

    Raises:
        RunError: if a model cannot be compiled here, or an operation has no deterministic form.
    """
    with ExitStack() as stack:
        if runtime.deterministic:
            stack.enter_context(_deterministic())
        if runtime.tf32:
            stack.enter_context(_tf32())
        if runtime.compile is not None:
            from torch.compiler import config

            # Beyond its limit dynamo stops compiling without a word; blocks of all sizes share one count.
            stack.enter_context(config.patch(recompile_limit=256, accumulated_recompile_limit=4096))  # type: ignore[attr-defined]
        try:
            yield
        except Exception as error:
            if message := _explained(error, runtime):
                raise RunError(message) from error
            raise


@contextmanager
def _deterministic() -> Iterator[None]:
    from diffusers.utils.torch_utils import enable_full_determinism

    cudnn = torch.backends.cudnn
    variables, given = {name: os.environ.get(name) for name in _VARIABLES}, cublas.given()
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    flags = cudnn.deterministic, cudnn.benchmark, torch.get_float32_matmul_precision()
    try:
        enable_full_determinism()
        if given is not None:
            os.environ[cublas.VARIABLE] = given
        yield
    finally:
        for name, value in variables.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
        cudnn.deterministic, cudnn.benchmark = flags[:2]
        torch.set_float32_matmul_precision(flags[2])


@contextmanager
def _tf32() -> Iterator[None]:
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    try:
        torch.backends.cuda.matmul.allow_tf32 = True
        torch.backends.cudnn.allow_tf32 = True
        yield
    finally:
        torch.set_float32_matmul_precision(before[0])
        torch.backends.cudnn.allow_tf32 = before[1]


def _explained(error: Exception, runtime: RuntimeSpec) -> str | None:
    message = " ".join(str(error).split())
    if runtime.deterministic and isinstance(error, RuntimeError):
        if "does not have a deterministic" in message:
            return f"runtime.deterministic: {message[:300]}"
        if "uses CuBLAS" in message:
            what = "this program has used cuBLAS before, which keeps its workspace"
            return f"runtime.deterministic: {what}; {cublas.ADVICE}"
    if runtime.compile is not None and is_from_compiler(error):
        backend = runtime.compile.backend
        if "No working C++ compiler" in message or "InvalidCxxCompiler" in message:
            return f"runtime.compile: {backend} needs a C++ compiler, and there is none; install g++ or set CXX"
        return f"runtime.compile: {backend} cannot compile this UNet here: {message[:300]}"
    return None
