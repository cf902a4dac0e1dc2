"""Finds the files of one role: a weight file, a model, a pipeline. It lists, chooses and checks them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tcdflow.errors import SourceError
from tcdflow.files import base_checks, component_config, layout, lora_metadata, model_index
from tcdflow.files.artifact import Artifact
from tcdflow.files.contents import Contents, check_kind, contents, contents_of
from tcdflow.files.pickles import PICKLES, REFUSED, PickledError, is_pickle, stand_ins
from tcdflow.files.safetensors_header import check_header, read_header
from tcdflow.files.source import Source
from tcdflow.files.store import Store, Stores, promised_header, relative
from tcdflow.spec.family import FAMILIES
from tcdflow.spec.model import BaseModelSpec

SAFETENSORS = layout.WEIGHTS

Chosen = tuple[list[str], str | None]
"""Names of files, and the variant of their weights."""


@dataclass
class Finder:
    """Finds the files of parts. Small ones are brought here; large ones of the hub may be absent.

    Attributes:
        stores: opens sources, each branch at one commit.
        unpickle: whether pickled weights are taken where there are no safetensors.
        cached: of the hub, only what the cache has may be used.
    """

    stores: Stores = field(default_factory=Stores)
    unpickle: bool = False
    cached: bool = False
    _promised: dict[Path, Contents | None] = field(default_factory=dict, repr=False)

    def weight_file(self, role: str, source: Source, family: str | None = None) -> Artifact:
        """Find one weight file: of a LoRA, an IP-Adapter, a single-file checkpoint.

        The source names the file, or a folder or repository that holds just one, or one of the usual name.

        Args:
            role: what it is to the run.
            source: the file, folder or repository.
            family: of the run's base; files for it are named first where there are many.

        Raises:
            SourceError: if there is none or more than one, it is a pickle, or it is damaged.
        """
        if not _names_file(source):
            store = self.stores.open(source, cached=self.cached)
            folder = f"{source.inside}/" if source.inside else ""
            listing = _listing(store, source)
            name = folder + layout.single_weights(listing, pickles=self.unpickle, likely=_likely(family))
            return self._found(role, source, store, (name,), single=True)
        name = source.inside or Path(source.location).name
        if is_pickle(name) and not self.unpickle:
            raise SourceError(f"{name} is a pickle, {REFUSED}")
        if not name.endswith((SAFETENSORS, *PICKLES)):
            raise SourceError(f"{name} is not a {SAFETENSORS} file")
        store = self.stores.open(source, cached=self.cached)
        if source.kind != "path":
            _must_have(store, name)
        return self._found(role, source, store, (name,), single=True)

    def model_folder(
        self, role: str, source: Source, half: bool, variant: str | None = "auto", family: str | None = None
    ) -> Artifact:
        """Find one model: a folder with ``config.json`` and weights, such as a ControlNet, a motion adapter, a VAE, a
        depth estimator with its ``preprocessor_config.json``, an IP-Adapter's image encoder; or a single weight file.

        Args:
            role: what it is to the run.
            source: the folder, repository, folder of a repository, or file.
            half: whether the run computes in half precision.
            variant: ``"auto"`` takes fp16 files for half precision if there are any; a variant's name; None for the
                plain.
            family: as of :meth:`weight_file`.

        Raises:
            SourceError: if it is missing, has no weights of the variant, or is damaged.
        """
        if _names_file(source):
            return self.weight_file(role, source)
        store = self.stores.open(source, cached=self.cached)
        likely = _likely(family)
        files, chosen = self.choose(
            _listing(store, source),
            lambda listing: layout.model_files(listing, half=half, variant=variant, likely=likely),
        )
        return self._found(role, source, store, tuple(files), variant=chosen)

    def pipeline(self, role: str, source: Source, base: BaseModelSpec, half: bool) -> Artifact:
        """Find a pretrained pipeline: a folder with ``model_index.json``, or a single checkpoint file.

        Raises:
            SourceError: if it is missing, damaged, has no weights of the variant, or is not of the base's family.
        """
        if _names_file(source):
            found = self.weight_file(role, source)
            if known := self.contents(found):
                check_kind(role, known)
                base_checks.check_checkpoint(known, base)
            return found
        store = self.stores.open(source, cached=self.cached)
        index, names = _pipeline(store, source)
        components = model_index.components(index)
        base_checks.check_class(index, components, base)
        leave_out = () if base.safety_checker else ("safety_checker",)
        without = ("vae",) if base.vae is not None else ()

        def choose(listing: list[str]) -> Chosen:
            return layout.pipeline_files(
                listing, components, half=half, variant=base.variant, leave_out=leave_out, without_weights=without
            )

        try:
            files, variant = self.choose(names, choose)
        except PickledError as error:
            raise SourceError(f"{error}{_single_files(names)}") from None
        found = self._found(role, source, store, tuple(files), variant=variant)
        base_checks.check_folder(found, base)
        return found

    def model_config(self, role: str, source: Source) -> Artifact:
        """Find the ``config.json`` that a single weight file of a model follows.

        Raises:
            SourceError: if there is none.
        """
        if _names_file(source):
            raise SourceError("is a weight file; the config of a single-file model is a folder or repository")
        store = self.stores.open(source, cached=self.cached)
        if "config.json" not in _listing(store, source):
            raise SourceError("has no config.json")
        return self._found(role, source, store, ("config.json",))

    def pipeline_config(self, role: str, source: Source) -> Artifact:
        """Find a pipeline's configs and vocabularies, without its weights.

        Raises:
            SourceError: if it is missing or damaged.
        """
        if _names_file(source):
            raise SourceError("is a file; the layout of a single-file checkpoint is a folder or repository")
        store = self.stores.open(source, cached=self.cached)
        index, listing = _pipeline(store, source)
        files = (model_index.FILE, *layout.config_files(listing, model_index.components(index)))
        return self._found(role, source, store, files)

    def contents(self, artifact: Artifact) -> Contents | None:
        """Say what a single weight file holds, also one that lies on the hub; None if that cannot be told."""
        if not artifact.single or not artifact.files[0].endswith(SAFETENSORS):
            return None
        if artifact.absent:
            path = artifact.root / artifact.files[0]
            if path not in self._promised:
                header = promised_header(artifact)
                self._promised[path] = None if header is None else contents_of(header)
            return self._promised[path]
        return contents(artifact.root / artifact.files[0])

    def choose(self, listing: Sequence[str], choose: Callable[[list[str]], Chosen]) -> Chosen:
        """Choose files; a pickle that may be taken stands there under the name that it would have as safetensors."""
        pickled = stand_ins(listing) if self.unpickle else {}
        files, variant = choose([*listing, *pickled])
        return [pickled.get(name, name) for name in files], variant

    def _found(
        self,
        role: str,
        source: Source,
        store: Store,
        files: tuple[str, ...],
        *,
        single: bool = False,
        variant: str | None = None,
    ) -> Artifact:
        prefix = f"{source.inside}/" if source.inside and not single else ""
        root, absent = store.look(tuple(prefix + name for name in files))
        unpickle = self.unpickle and any(map(is_pickle, files))
        missing = relative(absent, prefix)
        found = Artifact(role, source.text, store.revision, root / prefix, files, single, variant, missing, unpickle)
        return checked(replace(found, fetch=not self.cached))


def checked(artifact: Artifact) -> Artifact:
    """Return the artifact once its weight files, as far as they are here, are known to be whole.

    Raises:
        SourceError: naming the file that is not.
    """
    absent = {file.name for file in artifact.absent}
    for name in sorted(artifact.files, key=lambda name: name.endswith(".json")):  # configs by headers that are whole
        path = artifact.root / name
        try:
            if name.endswith(SAFETENSORS) and name not in absent:
                check_header(path)
                if artifact.single:
                    check_kind(artifact.role, contents(path))
                    if what := lora_metadata.problem(read_header(path).metadata):
                        raise SourceError(what)
            elif name.endswith(".json") and ".index." not in name:
                _check_config(artifact, name, absent)
            elif ".index." in name:
                folder = name.rpartition("/")[0]
                weights = (other.rpartition("/") for other in artifact.files if other.endswith((SAFETENSORS, *PICKLES)))
                model_index.check_shards(path, [leaf for parent, _, leaf in weights if parent == folder])
        except OSError as error:
            raise SourceError(f"{name} cannot be read: {error.strerror}") from None
        except SourceError as error:
            raise SourceError(f"{name} {error}") from None
    return artifact


def _check_config(artifact: Artifact, name: str, absent: Set[str]) -> None:
    """Refuse a component's config that would have a library do more than load these weights."""
    folder, _, leaf = name.rpartition("/")
    if leaf in component_config.DATA:
        return
    config = model_index.read_json(artifact.root / name)
    what = component_config.problem(leaf, config)
    if what is None and leaf == "config.json":
        here = [file for file in artifact.files if file.rpartition("/")[0] == folder and file.endswith(SAFETENSORS)]
        if here and absent.isdisjoint(here):
            tensors = {key: shape for file in here for key, shape in read_header(artifact.root / file).shapes.items()}
            what = component_config.mismatch(config, tensors)
    if what is not None:
        raise SourceError(what)


def _likely(family: str | None) -> re.Pattern[str] | None:
    """Return what the names of files for a family of bases hold."""
    return FAMILIES[family].in_file_names if family is not None else None


def _pipeline(store: Store, source: Source) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the index of a pipeline folder and the names of the files there."""
    listing = _listing(store, source)
    if model_index.FILE not in listing:
        raise SourceError(f"is not a diffusers pipeline: it has no {model_index.FILE}{_single_files(listing)}")
    inside = f"{source.inside}/{model_index.FILE}" if source.inside else model_index.FILE
    root, _ = store.look((inside,))
    try:
        return model_index.read_json(root / inside), listing
    except SourceError as error:
        raise SourceError(f"its {model_index.FILE} {error}") from None


def _single_files(listing: Sequence[str]) -> str:
    """Point at the checkpoints of a repository."""
    single = [name for name in listing if name.endswith(SAFETENSORS) and "/" not in name]
    return f"; for a single-file checkpoint add its name to the source: {', '.join(single[:4])}" if single else ""


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


def _names_file(source: Source) -> bool:
    if source.kind == "path":
        return Path(source.location).is_file()
    return source.inside.endswith((SAFETENSORS, *PICKLES))
