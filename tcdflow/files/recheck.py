"""Files that a plan names, which may be untrusted: checked as if they had just been found."""

from __future__ import annotations

from tcdflow.errors import SourceError
from tcdflow.files import layout, model_index
from tcdflow.files.artifact import Artifact
from tcdflow.files.finder import Finder, checked
from tcdflow.files.image_header import check_image
from tcdflow.files.pickles import PICKLES
from tcdflow.files.store import Folder


def recheck(artifact: Artifact, *, safety_checker: bool, own_vae: bool) -> Artifact:
    """Return an artifact that was found once, if looking at its folder now gives the same.

    Args:
        artifact: from a plan; all of it is here.
        safety_checker: whether the run's base is loaded with its safety checker.
        own_vae: whether it is loaded with its own VAE.

    Raises:
        SourceError: if a file is missing, damaged or of another format, or other files would be loaded.
    """
    try:
        _look(artifact, safety_checker, own_vae)
    except SourceError as error:
        raise SourceError(f"{artifact.role}: '{artifact.source}': {error}") from None
    return artifact


def _look(artifact: Artifact, safety_checker: bool, own_vae: bool) -> None:
    if not artifact.single:
        found = _chosen(artifact, safety_checker, own_vae)
        if other := sorted(set(found).symmetric_difference(artifact.files)):
            raise SourceError(f"the plan has other files of it than would be loaded: {other[0]}")
    elif len(artifact.files) != 1:
        raise SourceError(f"the plan has {len(artifact.files)} files of what is one")
    elif not artifact.files[0].endswith((layout.WEIGHTS, *PICKLES)):
        check_image(artifact.root / artifact.files[0])
    checked(artifact)


def _chosen(artifact: Artifact, safety_checker: bool, own_vae: bool) -> list[str]:
    """Choose the files of a folder again: what else there is may be loaded in their place."""
    listing, variant = Folder(artifact.root).listing(), artifact.variant
    config_only = artifact.role.endswith(".config")
    finder = Finder(unpickle=artifact.unpickle)
    if model_index.FILE not in artifact.files:
        if config_only:
            return ["config.json"]
        return finder.choose(listing, lambda names: layout.model_files(names, half=False, variant=variant))[0]
    components = model_index.components(model_index.read_json(artifact.root / model_index.FILE))
    if config_only:
        return [model_index.FILE, *layout.config_files(listing, components)]
    leave_out = () if safety_checker else ("safety_checker",)
    without = () if own_vae else ("vae",)
    return finder.choose(
        listing,
        lambda names: layout.pipeline_files(
            names, components, half=False, variant=variant, leave_out=leave_out, without_weights=without
        ),
    )[0]
