"""Which files of a repository a pipeline reads: pure functions over a listing of names.

The layout is diffusers': ``model_index.json`` names the components, each in a folder of its own with its config and
its weights ``<stem>[.<variant>].safetensors``, sharded ones beside an index. Pickled weights are never chosen.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping

from tcdflow.artifacts.source import PICKLES
from tcdflow.errors import SourceError

WEIGHTS = ".safetensors"
_SHARD = r"(?:-\d{5}-of-\d{5})?"
_STEMS = ("diffusion_pytorch_model", "model", "pytorch_model")
_SMALL = (".json", ".txt", ".model")


def pipeline_files(
    listing: Collection[str],
    index: Mapping[str, object],
    *,
    half: bool,
    variant: str | None,
    leave_out: Iterable[str],
) -> tuple[list[str], str | None]:
    """Choose the files of a pipeline folder.

    Args:
        listing: relative names of all files there.
        index: the parsed ``model_index.json``.
        half: whether the run computes in half precision.
        variant: ``"auto"``, a variant's name, or None for the plain files.
        leave_out: components that are not to be loaded.

    Returns:
        The names, sorted, and the variant to load, which is None for plain files.

    Raises:
        SourceError: if a component has no safetensors weights of the variant.
    """
    components = [
        name
        for name, entry in index.items()
        if not name.startswith("_")
        and isinstance(entry, list | tuple)
        and entry[0] is not None
        and name not in leave_out
    ]
    chosen = _choose_variant(listing, components, half=half, variant=variant)
    files = {"model_index.json"}
    for component in components:
        files.update(f for f in listing if f.startswith(f"{component}/") and f.endswith(_SMALL) and f.count("/") == 1)
        files.update(component_weights(listing, component, chosen))
    return sorted(f for f in files if not f.endswith(".index.json") or _index_of_chosen(f, chosen)), chosen


def component_weights(listing: Collection[str], folder: str, variant: str | None) -> list[str]:
    """Return the weight files of one model folder, preferring the variant where the component has it.

    Raises:
        SourceError: if there are only pickled weights.
    """
    inside = {f.removeprefix(f"{folder}/") if folder else f: f for f in listing if _parent(f) == folder}
    for suffix in (f".{variant}", "") if variant else ("",):
        for stem in _STEMS:
            pattern = re.compile(
                re.escape(stem) + rf"(?:{re.escape(suffix)}{_SHARD}|{_SHARD}{re.escape(suffix)})" + re.escape(WEIGHTS)
            )
            found = [full for short, full in inside.items() if pattern.fullmatch(short)]
            if found:
                return sorted(found)
    pickled = sorted(full for short, full in inside.items() if short.endswith(PICKLES))
    if pickled:
        raise SourceError(f"only pickled weights ({pickled[0]}), which can run code; safetensors are needed")
    return []


def _choose_variant(
    listing: Collection[str], components: Iterable[str], *, half: bool, variant: str | None
) -> str | None:
    weights = [f for f in listing if f.endswith(WEIGHTS) and _parent(f) in set(components)]
    fp16 = [f for f in weights if ".fp16" in f]
    plain = [f for f in weights if ".fp16" not in f]
    if variant == "auto":
        return "fp16" if fp16 and (half or not plain) else None
    if variant and not fp16:
        raise SourceError(f"there are no weights of variant '{variant}'; base.variant=auto takes what there is")
    return variant


def _index_of_chosen(name: str, variant: str | None) -> bool:
    return (f".{variant}." in name) if variant else ".fp16." not in name


def _parent(name: str) -> str:
    return name.rpartition("/")[0]


def single_weights(listing: Collection[str], folder: str) -> str:
    """Return the one weight file of a LoRA or adapter folder.

    Raises:
        SourceError: if there is none, or several without one of the usual names.
    """
    weights = sorted(f for f in listing if _parent(f) == folder and f.endswith(WEIGHTS))
    usual = [f for f in weights if f.rpartition("/")[2] in ("pytorch_lora_weights.safetensors",)]
    if len(usual or weights) == 1:
        return (usual or weights)[0]
    if not weights:
        pickled = [f for f in listing if f.endswith(PICKLES)]
        what = f"only pickled weights ({pickled[0]}), which can run code" if pickled else "no .safetensors file"
        raise SourceError(f"holds {what}")
    raise SourceError(f"holds several weight files; add one of {', '.join(weights[:8])} to the source")
