"""Rules of adapters: they fit the base, and each other."""

from __future__ import annotations

from collections.abc import Iterator

from tcdflow.errors import Problem
from tcdflow.spec.adapters import Canny, ControlNet, IPAdapter, MotionAdapter
from tcdflow.spec.model import RunSpec


def problems(spec: RunSpec) -> Iterator[Problem]:
    """Yield each reason for which the adapters cannot be used as asked."""
    family = spec.base.family
    for name, adapter in spec.adapters.items():
        if adapter.family != family:
            yield Problem(f"adapters.{name}", f"was trained for {adapter.family} and does not fit a base of {family}")
    for name, net in spec.adapters_of(ControlNet).items():
        yield from _controlnet(name, net)
    yield from _ip_adapters(spec)
    yield from _motion(spec)


def _controlnet(name: str, net: ControlNet) -> Iterator[Problem]:
    if net.start >= net.end:
        yield Problem(f"adapters.{name}.start", f"must be below adapters.{name}.end = {net.end:g}", net.start)
    made = net.preprocessor
    if isinstance(made, Canny) and made.low > made.high:
        where = f"adapters.{name}.preprocessor"
        yield Problem(f"{where}.low", f"must be at most {where}.high = {made.high}", made.low)


def _ip_adapters(spec: RunSpec) -> Iterator[Problem]:
    adapters = spec.adapters_of(IPAdapter)
    first = next(iter(adapters.values()), None)
    for name, adapter in adapters.items():
        if first is not None and adapter.image_encoder != first.image_encoder:
            yield Problem(
                f"adapters.{name}.image_encoder",
                f"all IP-Adapters of a run share one; the first has {first.image_encoder}",
                adapter.image_encoder,
            )


def _motion(spec: RunSpec) -> Iterator[Problem]:
    motions = list(spec.adapters_of(MotionAdapter))
    if spec.task.name != "animation":
        for name in motions:
            yield Problem(f"adapters.{name}", "a motion adapter needs task=animation")
        return
    if spec.base.family != "sd15":
        yield Problem("task", "animation is for bases of family sd15", "animation")
    if len(motions) != 1:
        yield Problem("adapters", "animation needs one motion adapter, as adapters=[motion]", str(motions))
    for name in spec.adapters_of(ControlNet):
        yield Problem(f"adapters.{name}", "animation takes no ControlNet")
