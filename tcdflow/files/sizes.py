"""The size of a run's images, resolved from the spec and its input images."""

from __future__ import annotations

from tcdflow.errors import ConfigError, Problem
from tcdflow.files.artifact import Artifacts
from tcdflow.files.images import check_image
from tcdflow.spec.inputs import Size
from tcdflow.spec.model import RunSpec
from tcdflow.spec.rules import size_problems


def resolve_size(spec: RunSpec, artifacts: Artifacts) -> RunSpec:
    """Return the spec with width and height filled in: as given, else those of an unfitted input, else the base's own.

    Raises:
        ConfigError: if inputs do not agree in size with each other, or with what was given.
    """

    def size_of(role: str) -> Size:
        return check_image(artifacts.by_role[role].path)

    problems = []
    for role, other in spec.task.same_size():
        (w, h), (width, height) = size_of(role), size_of(other)
        if (w, h) != (width, height):
            what = f"has {w} x {h} pixels and the image {width} x {height}; they must agree"
            problems.append(Problem(role, what, artifacts.by_role[role].source))
    unfitted = {key: size_of(role) for key, role in spec.unfitted()}
    own = next(iter(unfitted.values()), (spec.base.size, spec.base.size))
    width, height = spec.sampling.width or own[0], spec.sampling.height or own[1]
    for key, (w, h) in unfitted.items():
        if (w, h) != (width, height):
            what = f"its image has {w} x {h} pixels and the run {width} x {height}; with fit=none they must agree"
            problems.append(Problem(key, what, "none"))
    sampling = spec.sampling.model_copy(update={"width": width, "height": height})
    sized = spec.model_copy(update={"sampling": sampling})
    if unfitted:
        problems += size_problems(sized)
    if problems:
        raise ConfigError(problems)
    return sized
