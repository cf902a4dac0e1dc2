"""The size of a run's images, resolved from the spec and its input images."""

from __future__ import annotations

from tcdflow.errors import ConfigError, Problem
from tcdflow.files.artifact import Artifacts
from tcdflow.files.image_header import check_image
from tcdflow.spec.aspect import sides_like
from tcdflow.spec.inputs import MaskUse, Size
from tcdflow.spec.model import RunSpec
from tcdflow.spec.rules import size_problems
from tcdflow.spec.types import MAX_SIDE


def resolve_size(spec: RunSpec, artifacts: Artifacts) -> RunSpec:
    """Return the spec with width and height filled in: as given, else those of an unfitted input, else the base's own.

    ``input`` and ``aspect`` are those of the first input image that comes to the run's size: the task's, else that of
    an adapter.

    Raises:
        ConfigError: if inputs do not agree in size with each other or with what was given, or if there is none.
    """

    def size_of(role: str) -> Size:
        return check_image(artifacts.by_role[role].path)

    problems = []
    for role, other in spec.task.same_size():
        (w, h), (width, height) = size_of(role), size_of(other)
        if (w, h) != (width, height):
            what = f"has {w} x {h} pixels and the image {width} x {height}; they must agree"
            problems.append(Problem(role, what, artifacts.by_role[role].source))
    uses = [use for use in spec.image_uses() if use.side is None and not isinstance(use, MaskUse)]
    unfitted = {use.fit_key or use.role: size_of(use.role) for use in uses if use.unfitted}
    sides = spec.sampling.width, spec.sampling.height
    words = {
        f"sampling.{name}": side for name, side in zip(("width", "height"), sides, strict=True) if isinstance(side, str)
    }
    own = next(iter(unfitted.values()), (spec.base.size, spec.base.size))
    width, height = (side if isinstance(side, int) else pixels for side, pixels in zip(sides, own, strict=True))
    if words and not uses:
        what = "there is no input image to take it from; task=image_to_image, task=inpainting and ControlNets have one"
        problems += [Problem(key, what, word) for key, word in words.items()]
    elif words:
        input_size = size_of(uses[0].role)
        width, height = sides_like(input_size, sides, side=spec.base.size, multiple=spec.base.size_multiple)
        if max(width, height) > MAX_SIDE:
            what = f"makes {width} x {height} pixels, and at most {MAX_SIDE} a side are allowed; write aspect for both"
            problems += [Problem(key, what, word) for key, word in words.items()]
    for key, (w, h) in unfitted.items():
        if (w, h) != (width, height):
            what = f"its image has {w} x {h} pixels and the run {width} x {height}; with fit=none they must agree"
            problems.append(Problem(key, what, "none"))
    sampling = spec.sampling.model_copy(update={"width": width, "height": height})
    sized = spec.model_copy(update={"sampling": sampling})
    if unfitted or words:
        problems += size_problems(sized)
    if problems:
        raise ConfigError(problems)
    return sized
