"""Where the files of one part are: a weight file, a model, a pipeline; listed, chosen, brought here and checked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tcdflow.artifacts import layout, model_index
from tcdflow.artifacts.artifact import Artifact, Artifacts
from tcdflow.artifacts.pictures import public_url, resolve_picture
from tcdflow.artifacts.safetensors_header import check_header
from tcdflow.artifacts.source import PICKLES, Source, parse
from tcdflow.artifacts.store import Store, open_store
from tcdflow.errors import ConfigError, Problem, SourceError
from tcdflow.spec.model import BaseModelSpec

SAFETENSORS = layout.WEIGHTS
_MOST_SHOWN = 120


class Resolver:
    """Collects the artifacts of a run, and the problems of all of them before any is said."""

    def __init__(self) -> None:
        self.found: dict[str, Artifact] = {}
        self.problems: list[Problem] = []

    def take(self, role: str, key: str, text: str, find: Callable[[str, Source], Artifact]) -> Artifact | None:
        """Find the files of one part; a source that is wrong becomes a problem of its key, and None is returned."""
        try:
            self.found[role] = find(role, parse(text))
            return self.found[role]
        except SourceError as error:
            self.problems.append(Problem(key, f"'{_shortened(text)}': {error}"))
            return None

    def take_picture(self, role: str, key: str, text: str) -> None:
        """Find one input picture; a URL with a secret in it is refused, since records name the URL."""
        shown = public_url(text)
        if shown != text.partition("#")[0]:
            what = "carries a password or token, which would be recorded; download the picture and give its path"
            self.problems.append(Problem(key, f"'{shown}' {what}"))
            return
        try:
            self.found[role] = resolve_picture(role, text)
        except SourceError as error:
            self.problems.append(Problem(key, str(error)))

    def done(self) -> Artifacts:
        """Return what was found.

        Raises:
            ConfigError: if there was any problem.
        """
        if self.problems:
            raise ConfigError(self.problems)
        return Artifacts(self.found)


def _shortened(text: str) -> str:
    return text if len(text) <= _MOST_SHOWN else text[: _MOST_SHOWN - 3] + "..."


def weight_file(role: str, source: Source) -> Artifact:
    """Find one weight file: of a LoRA, an IP-Adapter, a single-file checkpoint.

    The source names the file, or a folder or repository that holds just one, or one of the usual name.

    Raises:
        SourceError: if there is none or more than one, it is a pickle, or it is damaged.
    """
    if _names_file(source):
        name = source.inside or Path(source.location).name
        if name.endswith(PICKLES):
            raise SourceError(f"{name} is a pickle, which can run code; safetensors are needed")
        if not name.endswith(SAFETENSORS):
            raise SourceError(f"{name} is no {SAFETENSORS} file")
        store = open_store(source)
        if source.kind != "path":
            _must_have(store, name)
    else:
        store = open_store(source)
        folder = f"{source.inside}/" if source.inside else ""
        name = folder + layout.single_weights(_listing(store, source))
    return _checked(Artifact(role, source.text, store.revision, store.fetch((name,)), (name,), True))


def model_folder(role: str, source: Source, half: bool, variant: str | None = "auto") -> Artifact:
    """Find one model: a folder with ``config.json`` and weights, such as a ControlNet, a motion adapter, a VAE, a
    depth estimator with its ``preprocessor_config.json``, an IP-Adapter's image encoder; or a single weight file.

    Args:
        role: what it is to the run.
        source: the folder, repository, folder of a repository, or file.
        half: whether the run computes in half precision.
        variant: ``"auto"`` takes fp16 files for half precision if there are any; a variant's name; None for the plain.

    Raises:
        SourceError: if it is missing, has no safetensors weights of the variant, or is damaged.
    """
    if _names_file(source):
        return weight_file(role, source)
    store = open_store(source)
    files, chosen = layout.model_files(_listing(store, source), half=half, variant=variant)
    return _fetched(role, source, store, files, chosen)


def pipeline(role: str, source: Source, base: BaseModelSpec, half: bool) -> Artifact:
    """Find a pretrained pipeline: a folder with ``model_index.json``, or a single checkpoint file.

    Raises:
        SourceError: if it is missing, damaged, or has no safetensors weights of the variant.
    """
    if _names_file(source):
        return weight_file(role, source)
    store = open_store(source)
    index, listing = _pipeline(store, source)
    leave_out = () if base.safety_checker else ("safety_checker",)
    files, variant = layout.pipeline_files(
        listing, model_index.components(index), half=half, variant=base.variant, leave_out=leave_out
    )
    return _fetched(role, source, store, files, variant)


def model_config(role: str, source: Source) -> Artifact:
    """Find the ``config.json`` that a single weight file of a model follows.

    Raises:
        SourceError: if there is none.
    """
    if _names_file(source):
        raise SourceError("is a weight file; the config of a single-file model is a folder or repository")
    store = open_store(source)
    if "config.json" not in _listing(store, source):
        raise SourceError("has no config.json")
    return _fetched(role, source, store, ["config.json"], None)


def pipeline_config(role: str, source: Source) -> Artifact:
    """Take a pipeline's configs and vocabularies, without its weights."""
    if _names_file(source):
        raise SourceError("is a file; the layout of a single-file checkpoint is a folder or repository")
    store = open_store(source)
    index, listing = _pipeline(store, source)
    files = [model_index.FILE, *layout.config_files(listing, model_index.components(index))]
    return _fetched(role, source, store, files, None)


def _pipeline(store: Store, source: Source) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the index of a pipeline folder and the names of the files there."""
    listing = _listing(store, source)
    if model_index.FILE not in listing:
        single = [name for name in listing if name.endswith(SAFETENSORS) and "/" not in name]
        hint = f"; for a single-file checkpoint add its name to the source: {', '.join(single[:4])}" if single else ""
        raise SourceError(f"is no diffusers pipeline: it has no {model_index.FILE}{hint}")
    inside = f"{source.inside}/{model_index.FILE}" if source.inside else model_index.FILE
    path = store.fetch((inside,)) / inside
    try:
        return model_index.read_json(path), listing
    except SourceError as error:
        raise SourceError(f"its {model_index.FILE} {error}") from None


def _listing(store: Store, source: Source) -> tuple[str, ...]:
    listing = store.listing(source.inside)
    if not listing:
        raise SourceError(f"has no folder or file {source.inside}" if source.inside else "is empty")
    return listing


def _must_have(store: Store, name: str) -> None:
    folder, _, leaf = name.rpartition("/")
    there = [file for file in store.listing(folder) if "/" not in file]
    if leaf not in there:
        weights = [f"{folder}/{file}" if folder else file for file in there if file.endswith(SAFETENSORS)]
        raise SourceError(f"has no file {name}" + (f"; there is {', '.join(weights[:8])}" if weights else ""))


def _fetched(role: str, source: Source, store: Store, files: list[str], variant: str | None) -> Artifact:
    folder = f"{source.inside}/" if source.inside else ""
    root = store.fetch(tuple(folder + name for name in files))
    return _checked(Artifact(role, source.text, store.revision, root / source.inside, tuple(files), False, variant))


def _checked(artifact: Artifact) -> Artifact:
    """Return the artifact once its weight files are known to be whole.

    Raises:
        SourceError: naming the file that is not.
    """
    for name in artifact.files:
        path = artifact.root / name
        try:
            if name.endswith(SAFETENSORS):
                check_header(path)
            elif ".index." in name:
                folder = name.rpartition("/")[0]
                beside = (other.rpartition("/") for other in artifact.files if other.endswith(SAFETENSORS))
                model_index.check_shards(path, [leaf for parent, _, leaf in beside if parent == folder])
        except OSError as error:
            raise SourceError(f"{name} cannot be read: {error.strerror}") from None
        except SourceError as error:
            raise SourceError(f"{name} {error}") from None
    return artifact


def _names_file(source: Source) -> bool:
    if source.kind == "path":
        return Path(source.location).is_file()
    return source.inside.endswith((SAFETENSORS, *PICKLES))
