"""A loaded base with what is attached to it, moved from one run's needs to the next by the cheapest legal step.

From the costliest step to the cheapest: load a base, change pipeline and adapters, change the LoRA stack, set its
weights.
What a step leaves behind is undone exactly, so that a run has the same bits whatever was run before it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import torch

from tcdflow.engine.fingerprint import fingerprint
from tcdflow.engine.images import ImageCache
from tcdflow.engine.prompts import PromptCache
from tcdflow.engine.watch import Stopwatch
from tcdflow.files.artifact import Artifact
from tcdflow.files.resolve import Artifacts
from tcdflow.pipeline import adapters, base, vaes
from tcdflow.pipeline.loras import Attached, LoraStack, StackEntry
from tcdflow.pipeline.optimizations import Optimizations
from tcdflow.pipeline.schedulers import Schedulers
from tcdflow.pipeline.stored import StoredWeights
from tcdflow.spec.model import RunSpec


class Needs(NamedTuple):
    """What a run needs, from the costliest to change to the cheapest."""

    base: tuple[Any, ...]
    pipeline: tuple[Any, ...]
    stack: tuple[Any, ...]
    weights: tuple[str, ...]

    @classmethod
    def of(cls, spec: RunSpec, artifacts: Artifacts, where: torch.device, dtype: torch.dtype) -> Needs:
        """Return what a run needs of its files as they are now."""
        config, vae = artifacts.base_config, artifacts.by_role.get("base.vae")
        # One that fits in part is refused unless that is allowed, whatever was attached before.
        stack = tuple((name, fingerprint(artifacts.lora(name)), lora.partial) for name, lora in spec.loras.items())
        return cls(
            base=(
                fingerprint(artifacts.base),
                config and fingerprint(config),
                vae and fingerprint(vae),
                spec.base.safety_checker,
                spec.runtime.for_loading,
                spec.runtime.tiny_vae and fingerprint(artifacts.by_role["runtime.tiny_vae"]),
                spec.replaces_denoiser,
                where,
                dtype,
            ),
            pipeline=(
                spec.pipeline,
                tuple((need.role, fingerprint(artifacts.by_role[need.role])) for need in adapters.models(spec)),
            ),
            stack=(stack, spec.lora_stack) if stack else (),
            weights=tuple(repr(lora.weight) for lora in spec.loras.values()),
        )


class Component:
    """A part of a pipeline that holds weights, as it computes since the latest LoRA stack was attached."""

    def __init__(self, module: torch.nn.Module) -> None:
        self._module = module

    @cached_property
    def described(self) -> dict[str, str]:
        """What it computes with; if its weights have several dtypes, all of them, joined by ``+``.

        Asked for after an image was made, since walking through modules takes long. Its device is where it waits
        between calls: with offloading the CPU, or meta while its weights are elsewhere.
        """
        kinds = {(weight.dtype, weight.device) for weight in self._module.parameters()}
        return {
            "class": type(self._module).__name__,
            "dtype": "+".join(sorted({str(dtype).removeprefix("torch.") for dtype, _ in kinds})),
            "device": "+".join(sorted({str(device) for _, device in kinds})),
        }


@dataclass
class Loaded:
    """A base, its adapters and its LoRA stack, ready for runs.

    Attributes:
        needs: what it fulfils.
        spec: of the latest run that it was moved to.
        pipe: the diffusers pipeline.
        device: where it computes.
        dtype: in which format.
        schedulers: made from the config of the one that the base came with.
        stack: the LoRAs.
        optimizations: of the runtime.
        stored: the files of the base, which stay open if what the stack changes is to be restored; else None.
        inputs: images that runs were given.
        prompts: embeddings, of this pipeline and stack.
        attached: what LoRAs were found to fit.
        parts: the pipeline's components that hold weights.
        attention: names of the denoiser's attention processors.
        denoiser: what is called at each step.
    """

    needs: Needs
    spec: RunSpec
    pipe: Any
    device: torch.device
    dtype: torch.dtype
    schedulers: Schedulers
    stack: LoraStack
    optimizations: Optimizations
    stored: StoredWeights | None
    inputs: ImageCache
    prompts: PromptCache
    attached: tuple[Attached, ...] = ()
    parts: dict[str, Component] = field(default_factory=dict)
    attention: tuple[str, ...] = ()
    denoiser: Any = None

    @classmethod
    def load(cls, spec: RunSpec, artifacts: Artifacts, needs: Needs, watch: Stopwatch, *, reusable: bool) -> Loaded:
        """Load the base of a run with its adapters, and attach its LoRAs."""
        *_, where, dtype = needs.base
        home = Optimizations.home(spec.runtime, where)
        with watch.stage("load"):
            pipe = base.load(spec, artifacts, home, dtype)
            if spec.runtime.tiny_vae is not None:
                tiny = vaes.load_tiny(artifacts.by_role["runtime.tiny_vae"], dtype)
                pipe.register_modules(vae=tiny.to(home))
            made = Schedulers(dict(pipe.scheduler.config))
            held = Optimizations(pipe, spec.family.denoiser(pipe), spec.runtime, where, dtype)
            held.before_loras()
            # What casting rounds is never restored: to hold its weights would keep them on the card.
            restorable = reusable and spec.runtime.layerwise_casting == "none"
            stored = _stored(artifacts.base) if restorable else None
            stack = LoraStack(base.lora_loader(pipe, spec), restorable=restorable, stored=stored, device=where)
        loaded = cls(needs, spec, pipe, where, dtype, made, stack, held, stored, ImageCache(where), PromptCache(where))
        with watch.stage("loras"):
            loaded._attach_loras(spec, artifacts)
        return loaded

    @property
    def warnings(self) -> tuple[str, ...]:
        """What loading it showed to be probably not meant."""
        return self.stack.warnings

    def leads_to(self, needs: Needs) -> bool:
        """Say whether another run can be reached without reloading the base."""
        if self.needs == needs:
            return True
        movable = self.needs.base == needs.base and self.stack.restorable and not self.optimizations.final
        return movable and (self.needs.pipeline == needs.pipeline or self.optimizations.portable)

    def move(self, spec: RunSpec, artifacts: Artifacts, needs: Needs, watch: Stopwatch) -> None:
        """Move to what another run needs. If that fails, the state is unknown."""
        if self.needs == needs:
            return
        switch = self.needs.pipeline != needs.pipeline
        if not switch and self.needs.stack == needs.stack and self.stack.reweightable:
            with watch.stage("loras"):
                self.attached = self.stack.reweight([lora.weight for lora in spec.loras.values()])
        else:
            with watch.stage("loras"):
                self.optimizations.suspend()
                self.stack.detach()
            if switch:
                with watch.stage("adapters"):
                    self._switch(spec, artifacts)
            with watch.stage("loras"):
                self._attach_loras(spec, artifacts)
        self.prompts = PromptCache(self.device)
        self.needs, self.spec = needs, spec

    def _switch(self, spec: RunSpec, artifacts: Artifacts) -> None:
        self.pipe = base.switch(self.pipe, self.spec, spec, artifacts, self.dtype)
        self.optimizations = Optimizations(
            self.pipe, spec.family.denoiser(self.pipe), spec.runtime, self.device, self.dtype
        )
        self.optimizations.before_loras()
        self.stack = LoraStack(base.lora_loader(self.pipe, spec), stored=self.stored, device=self.device)

    def _attach_loras(self, spec: RunSpec, artifacts: Artifacts) -> None:
        entries = [
            StackEntry(name, artifacts.lora(name).path, lora.weight, lora.partial) for name, lora in spec.loras.items()
        ]
        self.attached = self.stack.attach(entries, fuse=spec.lora_stack.fuse, merge=spec.lora_stack.merge)
        self.optimizations.after_loras()
        found = self.pipe.components.items()
        self.denoiser = spec.family.denoiser(self.pipe)
        self.parts = {name: Component(part) for name, part in found if isinstance(part, torch.nn.Module)}
        self.attention = tuple(sorted({type(p).__name__ for p in self.denoiser.attn_processors.values()}))


def _stored(base: Artifact) -> StoredWeights:
    return StoredWeights(base.root / name for name in base.files if name.endswith(".safetensors"))
