"""Which files of a repository a run reads: pure functions over a listing of names.

The layout is diffusers': ``model_index.json`` names the components, each in a folder of its own with its config and
its weights ``<stem>[.<variant>].safetensors``, sharded ones beside an index. Pickled weights are chosen only where a
folder has no others and the user allows it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from tcdflow.errors import SourceError
from tcdflow.files import model_index
from tcdflow.files.pickles import REFUSED, PickledError, is_pickle

WEIGHTS = ".safetensors"
LORA_STEM = "pytorch_lora_weights"
_CONFIGS = (".json", ".txt", ".model")
_DIFFUSERS, _TRANSFORMERS = "diffusion_pytorch_model", "model"
# Components whose class ends so have configs and vocabularies, and no weights.
_WEIGHTLESS = ("Scheduler", "Tokenizer", "TokenizerFast", "Processor", "FeatureExtractor")
_MOST_SHOWN = 8
_SHARD = re.compile(r"-\d{5}-of-(\d{5})(?=\.)", re.ASCII)


@dataclass(frozen=True)
class Weights:
    """The weight files of one model, relative names, and the index that says which shard holds which tensor."""

    files: tuple[str, ...]
    index: str | None = None

    @property
    def all(self) -> tuple[str, ...]:
        """The weight files and their index."""
        return (*self.files, self.index) if self.index else self.files


def pipeline_files(
    listing: Collection[str],
    components: Mapping[str, str],
    *,
    half: bool,
    variant: str | None,
    leave_out: Iterable[str] = (),
    without_weights: Collection[str] = (),
) -> tuple[list[str], str | None]:
    """Choose the files of a pipeline folder.

    Args:
        listing: relative names of the files there.
        components: class by name of component, of ``model_index.json``.
        half: whether the run computes in half precision.
        variant: ``"auto"``, a variant's name, or None for the plain files.
        leave_out: components that are not to be loaded.
        without_weights: components of which the config alone is read.

    Returns:
        The names, sorted, and the variant to load, which is None for plain files.

    Raises:
        SourceError: if a component has no safetensors weights, or none of the variant.
    """
    wanted = {name: cls for name, cls in components.items() if name not in set(leave_out)}
    models = [name for name, cls in wanted.items() if not cls.endswith(_WEIGHTLESS) and name not in without_weights]
    chosen = _choose_variant(listing, models, half=half, variant=variant)
    files = {model_index.FILE, *config_files(listing, wanted)}
    for name in models:
        files.update(model_weights(listing, name, chosen).all)
    return sorted(files), chosen


def config_files(listing: Collection[str], components: Iterable[str]) -> list[str]:
    """Return the configs and vocabularies of a pipeline's components, without the indices of sharded weights."""
    wanted = set(components)
    return sorted(f for f in listing if _parent(f) in wanted and _is_config(f))


def model_files(
    listing: Collection[str], *, half: bool, variant: str | None, likely: re.Pattern[str] | None = None
) -> tuple[list[str], str | None]:
    """Choose the files of a folder that holds one model: its configs and weights.

    Args:
        listing: relative names of the files there.
        half: whether the run computes in half precision.
        variant: as of :func:`pipeline_files`.
        likely: names that a message is to list first.

    Raises:
        SourceError: if it has no config.json, or no safetensors weights of the variant.
    """
    if "config.json" not in listing:
        folders = [_parent(name) for name in listing if _leaf(name) == "config.json"]
        found = folders or [name for name in listing if name.endswith(WEIGHTS)]
        raise SourceError("is not a model folder: it has no config.json" + _alternatives(found, likely))
    chosen = _choose_variant(listing, ("",), half=half, variant=variant)
    return sorted({*config_files(listing, ("",)), *model_weights(listing, "", chosen).all}), chosen


def model_weights(listing: Collection[str], folder: str, variant: str | None) -> Weights:
    """Return the weights of one model folder, preferring the variant where the model has it.

    Where a model is there in one file and in shards too, the library that reads it decides: diffusers asks for the
    index first, transformers for the one file.

    Raises:
        SourceError: if there are no safetensors weights, or shards are missing.
    """
    for wanted in (variant, None) if variant else (None,):
        if found := _weights_of(listing, folder, wanted):
            return found
    where = f"{folder}/ has" if folder else "it has"
    if _weights_of(listing, folder, "fp16"):
        raise SourceError(f"{where} no plain weights, only those of a variant; variant auto takes what there is")
    if others := sorted(_leaf(f) for f in listing if _parent(f) == folder and f.endswith(WEIGHTS)):
        stem = _TRANSFORMERS if "encoder" in folder or others[0].startswith("pytorch_model.") else _DIFFUSERS
        what = f"{where} weights under names that are not read: {_some(others)}"
        raise SourceError(f"{what}; diffusers looks for {stem}{WEIGHTS}: give the one that is meant that name")
    pickled = sorted(f for f in listing if _parent(f) == folder and is_pickle(f))
    if pickled:
        raise PickledError(f"{where} only pickled weights ({pickled[0]}), {REFUSED}")
    raise SourceError(f"{where} no {WEIGHTS} weights")


def single_weights(listing: Collection[str], *, pickles: bool = False, likely: re.Pattern[str] | None = None) -> str:
    """Return the one weight file of a LoRA or adapter folder.

    Args:
        listing: relative names of the files there.
        pickles: whether a pickle may be taken where there are no safetensors.
        likely: names that a message is to list first.

    Raises:
        SourceError: if there is none, or several without the usual name.
    """
    inside = [f for f in listing if not _parent(f)]
    weights = sorted(f for f in inside if f.endswith(WEIGHTS))
    pickled = sorted(f for f in inside if is_pickle(f))
    if pickles and not weights:
        weights = pickled
    usual = [f for f in weights if f.rpartition(".")[0] == LORA_STEM]
    if len(usual or weights) == 1:
        return (usual or weights)[0]
    if weights:
        raise SourceError(f"holds several weight files; add one of {_some(weights, likely)} to the source")
    if pickled:
        raise SourceError(f"holds only pickled weights ({pickled[0]}), {REFUSED}")
    raise SourceError(f"holds no {WEIGHTS} file" + _alternatives([f for f in listing if f.endswith(WEIGHTS)], likely))


def _choose_variant(listing: Collection[str], folders: Iterable[str], *, half: bool, variant: str | None) -> str | None:
    """Return the variant to load. ``auto`` takes plain files for full precision, unless a model has fp16 ones only."""
    folders = list(folders)
    name = "fp16" if variant == "auto" else variant
    if name is None:
        return None
    has = [folder for folder in folders if _weights_of(listing, folder, name)]
    if variant == "auto":
        lacks_plain = any(not _weights_of(listing, folder, None) for folder in has)
        return name if has and (half or lacks_plain) else None
    if not has:
        raise SourceError(f"there are no weights of variant '{variant}'; variant auto takes what there is")
    return name


def _weights_of(listing: Collection[str], folder: str, variant: str | None) -> Weights | None:
    inside = {_leaf(f): f for f in listing if _parent(f) == folder}
    for stem in (_DIFFUSERS, _TRANSFORMERS):
        single = inside.get(f"{stem}.{variant}{WEIGHTS}" if variant else f"{stem}{WEIGHTS}")
        if single and stem == _TRANSFORMERS:
            return Weights((single,))
        if sharded := _shards_of(inside, stem, variant):
            return sharded
        if single:
            return Weights((single,))
    return None


def _shards_of(inside: Mapping[str, str], stem: str, variant: str | None) -> Weights | None:
    index = next((inside[name] for name in _index_names(stem, variant) if name in inside), None)
    if index is None:
        return None
    # The variant stands before the shard's number, and in older repositories behind it.
    whole = f"{stem}.{variant}{WEIGHTS}" if variant else f"{stem}{WEIGHTS}"
    numbers = {
        full: int(shard[1])
        for name, full in inside.items()
        if (shard := _SHARD.search(name)) and _SHARD.sub("", name) == whole
    }
    total = max(numbers.values(), default=0)
    if not numbers or len(numbers) != total:
        raise SourceError(f"{index} speaks of weights in parts, of which {len(numbers)} of {total or 'all'} are there")
    return Weights(tuple(sorted(numbers)), index)


def _index_names(stem: str, variant: str | None) -> tuple[str, ...]:
    if variant is None:
        return (f"{stem}{WEIGHTS}.index.json",)
    return (f"{stem}{WEIGHTS}.index.{variant}.json", f"{stem}{WEIGHTS}.{variant}.index.json")


def is_weights(name: str) -> bool:
    """Say whether a file holds weights, or is the index of several that do."""
    return name.endswith(WEIGHTS) or is_pickle(name) or ".index." in _leaf(name)


def _is_config(name: str) -> bool:
    leaf = _leaf(name)
    return leaf.endswith(_CONFIGS) and not leaf.startswith(".") and ".index." not in leaf


def _alternatives(names: Collection[str], likely: re.Pattern[str] | None) -> str:
    """Point at the folders or files that may have been meant."""
    return f"; add one of {_some(names, likely)} to the source" if names else ""


def _some(names: Collection[str], likely: re.Pattern[str] | None = None) -> str:
    """Return some of many names, the likely ones first, and how many more there are."""
    ordered = sorted(names, key=lambda name: (likely is None or not likely.search(name), name))
    more = f" ({len(names) - _MOST_SHOWN} more there)" if len(names) > _MOST_SHOWN else ""
    return ", ".join(ordered[:_MOST_SHOWN]) + more


def _parent(name: str) -> str:
    return name.rpartition("/")[0]


def _leaf(name: str) -> str:
    return name.rpartition("/")[2]
