"""The warm engine: one pipeline that moves from run to run, and makes their images.

A run on a warm engine has the bits of the same run in a fresh process: what a run changes is either set again for each
(scheduler, generators) or undone exactly (adapters, the LoRA stack).
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image

from tcdflow.engine.loaded import Loaded, Needs
from tcdflow.engine.sampler import Made, Sampled, SampleInput, Sampler, Step
from tcdflow.engine.watch import Stopwatch, peak_memory
from tcdflow.files.opened import opened
from tcdflow.files.resolve import Artifacts
from tcdflow.libraries.diffusers import quiet
from tcdflow.pipeline import adapters, cublas, device, optimizations
from tcdflow.pipeline.loading import one_line
from tcdflow.pipeline.unpickle import without_pickles
from tcdflow.record.sample import Sample
from tcdflow.spec.batch import Batch, batches_of
from tcdflow.spec.model import RunSpec


@dataclass(frozen=True)
class Generated:
    """The images of a run, its inputs, its execution and environment, its batch, and what it is warned of."""

    samples: list[Sample]
    inputs: dict[str, Image.Image]
    execution: dict[str, Any]
    environment: dict[str, Any]
    batch: Batch
    warnings: tuple[str, ...]


class Engine:
    """Runs specs, keeping what it has loaded.

    Args:
        reusable: keep what is needed to move on to another LoRA stack. A process that makes one run and ends
            can do without.
        on_loaded: called after a base was loaded, when the long imports are over.

    Attributes:
        on_made: called for each image once its call has ended, by its number among all of a run's.
    """

    def __init__(self, *, reusable: bool = True, on_loaded: Callable[[], None] | None = None) -> None:
        self._reusable = reusable
        self._on_loaded = on_loaded
        self._loaded: Loaded | None = None
        self.on_made: Made | None = None
        self.bases_loaded = 0
        self._left = False

    def run(self, spec: RunSpec, artifacts: Artifacts, on_step: Step | None = None) -> Generated:
        """Make the images of a spec.

        Args:
            spec: what to make.
            artifacts: its local files.
            on_step: called after each denoising step.

        Raises:
            ConfigError: if this machine or the files cannot do what the spec asks for.
        """
        return self.run_together([spec], artifacts, on_step)[0]

    def run_together(
        self, specs: Sequence[RunSpec], artifacts: Artifacts, on_step: Step | None = None
    ) -> list[Generated]:
        """Make the images of several specs, ``runtime.batch_size`` of them to each call of the pipeline.

        Args:
            specs: what to make; equal but for prompts and seeds (:func:`tcdflow.spec.batch.batch_key`).
            artifacts: the local files of each of them.
            on_step: called after each denoising step.

        Returns:
            What each of them made; the seconds of what was loaded are the first one's.

        Raises:
            ConfigError: if this machine or the files cannot do what the specs ask for.
        """
        runtime = specs[0].runtime
        where, dtype = device.choose(runtime)
        optimizations.check(runtime, where)
        cublas.of_this_process.settle(where.type, deterministic=runtime.deterministic)
        try:
            with quiet(), optimizations.computing(runtime):
                return self._run(specs, without_pickles(artifacts), on_step, where, dtype)
        except BaseException:
            # Nobody knows what state it is in: diffusers casts SDXL's VAE for a decode, and back only after it. Its
            # memory cannot be given back yet, since the traceback holds the pipeline.
            self._loaded, self._left = None, True
            raise

    def _run(
        self,
        specs: Sequence[RunSpec],
        artifacts: Artifacts,
        on_step: Step | None,
        where: torch.device,
        dtype: torch.dtype,
    ) -> list[Generated]:
        first, watches = specs[0], [Stopwatch(where) for _ in specs]
        loaded = self._ready(first, artifacts, watches[0], where, dtype)
        if loaded.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(loaded.device)
        pipe = loaded.pipe
        with one_line("base.source", first.base.source, f"its scheduler config does not fit {first.scheduler.name}"):
            pipe.scheduler = loaded.schedulers.fresh(first.scheduler)
        wanted: list[SampleInput] = []
        for spec, watch in zip(specs, watches, strict=True):
            with watch.stage("encode"):
                embeds = loaded.prompts.embeds(pipe, spec, artifacts)
            wanted += [SampleInput(seed, embeds) for seed in spec.sampling.seeds]
        with watches[0].stage("inputs"):
            inputs = loaded.inputs.inputs(pipe, first, artifacts)
            adapters.configure(pipe, first)
        still = loaded.optimizations.still
        maker = Sampler(pipe, loaded.device, first, inputs, inference=still, on_step=on_step, on_made=self.on_made)
        sampled = maker.make(wanted)
        generated = []
        for spec, watch, batch in zip(specs, watches, batches_of(specs), strict=True):
            own = sampled[batch.position : batch.position + len(spec.sampling.seeds)]
            generated.append(self._generated(spec, loaded, own, inputs.shown, watch, batch))
        return generated

    def _ready(
        self, spec: RunSpec, artifacts: Artifacts, watch: Stopwatch, where: torch.device, dtype: torch.dtype
    ) -> Loaded:
        """Move to the state that a spec needs: the base is reloaded only if it is another one."""
        needs = Needs.of(spec, artifacts, where, dtype)
        if self._loaded is not None and self._loaded.needs == needs:
            return self._loaded
        with opened(artifacts) as files:
            if self._loaded is not None and self._loaded.leads_to(needs):
                self._loaded.move(spec, files, needs, watch)
                return self._loaded
            self.close()
            self._loaded = Loaded.load(spec, files, needs, watch, reusable=self._reusable)
        self.bases_loaded += 1
        if self._on_loaded is not None:
            self._on_loaded()
        return self._loaded

    def _generated(
        self,
        spec: RunSpec,
        loaded: Loaded,
        sampled: Sequence[Sampled],
        inputs: dict[str, Image.Image],
        watch: Stopwatch,
        batch: Batch,
    ) -> Generated:
        calls = {id(one.call): one.call for one in sampled}
        for one in sampled:
            watch.add("denoise", one.call.denoise)
            watch.add("decode", one.call.decode)
        pipe = loaded.pipe
        execution = {
            "pipeline": type(pipe).__name__,
            "scheduler": type(pipe.scheduler).__name__,
            "components": {name: dict(part.described) for name, part in loaded.parts.items()},
            "loras": [
                {
                    "name": found.name,
                    "modules": found.modules,
                    "modules_in_file": found.of,
                    "weight": spec.loras[found.name].weight,
                    "weights_of_layers": list(found.weights),
                    "fused": found.fused,
                }
                for found in loaded.attached
            ],
            "timesteps": list(sampled[0].call.timesteps),
            "unet_calls": sum(len(call.timesteps) for call in calls.values()),
            "batch": batch.model_dump(mode="json") if batch.size > 1 else {"size": 1},
            "seconds": {name: round(seconds, 4) for name, seconds in watch.seconds.items()},
            "peak_memory_bytes": peak_memory(loaded.device),
        }
        return Generated(
            [one.sample for one in sampled], inputs, execution, _environment(loaded), batch, loaded.warnings
        )

    def close(self) -> None:
        """Release the pipeline and its memory, and what a failed run has left of them."""
        if self._loaded is not None or self._left:
            self._loaded, self._left = None, False
            frozen = self._on_loaded is not None  # which may have had the collector spare what was there
            if frozen:
                gc.unfreeze()
            gc.collect()  # since hooks of offloading hold modules in cycles
            if frozen:
                gc.freeze()
            if torch.cuda.is_available():
                torch.cuda.empty_cache()


def _environment(loaded: Loaded) -> dict[str, Any]:
    """Return the settings of this process that can change bits, as they are while it computes."""
    where = loaded.device
    return {
        "device": str(where),
        "device_name": torch.cuda.get_device_name(where) if where.type == "cuda" else where.type,
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "attention": list(loaded.attention),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "tf32": torch.backends.cuda.matmul.allow_tf32,
        "cudnn_tf32": torch.backends.cudnn.allow_tf32,
    }
