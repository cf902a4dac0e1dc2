"""The size of a run's images, settled from the spec and the images it is given."""

from __future__ import annotations

from collections.abc import Iterator

from tcdflow.errors import ConfigError, Problem
from tcdflow.files.artifact import Artifacts
from tcdflow.files.images import check_image
from tcdflow.spec.adapters import ControlNet, Depth
from tcdflow.spec.model import RunSpec
from tcdflow.spec.rules import size_problems
from tcdflow.spec.tasks import ImageToImage, Inpainting

Size = tuple[int, int]


def resolve_size(spec: RunSpec, artifacts: Artifacts) -> RunSpec:
    """Return the spec with width and height filled in: as said, else those of an unfitted input, else the base's own.

    Raises:
        ConfigError: if inputs do not agree in size with each other, or with what was said.
    """
    problems = list(_mask(spec, artifacts))
    unfitted = dict(_unfitted(spec, artifacts))
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


def _mask(spec: RunSpec, artifacts: Artifacts) -> Iterator[Problem]:
    if isinstance(spec.task, Inpainting):
        image, mask = (check_image(artifacts.by_role[role].path) for role in ("task.image", "task.mask"))
        if image != mask:
            what = f"has {mask[0]} x {mask[1]} pixels and the image {image[0]} x {image[1]}; they must agree"
            yield Problem("task.mask", what, spec.task.mask)


def _unfitted(spec: RunSpec, artifacts: Artifacts) -> Iterator[tuple[str, Size]]:
    task = spec.task
    if isinstance(task, ImageToImage | Inpainting) and task.fit == "none":
        yield "task.fit", check_image(artifacts.by_role["task.image"].path)
    for name, net in spec.adapters_of(ControlNet).items():
        # A depth map is made at the run's size, whatever the size of its image.
        if net.fit == "none" and not isinstance(net.preprocessor, Depth):
            yield f"adapters.{name}.fit", check_image(artifacts.by_role[f"adapters.{name}.image"].path)
