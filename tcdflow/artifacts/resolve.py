"""From the sources of a spec to local files: which files each part reads, and where they are."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tcdflow.artifacts import layout
from tcdflow.artifacts.source import PICKLES, Source, parse
from tcdflow.artifacts.store import Store, open_store
from tcdflow.errors import ConfigError, Problem, SourceError
from tcdflow.spec.model import BaseModelSpec, RunSpec

SAFETENSORS = ".safetensors"
_INDEX = "model_index.json"


@dataclass(frozen=True)
class Artifact:
    """The local files of one part of a run.

    Attributes:
        role: ``base``, ``base.config`` or ``loras.<name>``.
        source: the source text it came from.
        revision: commit on the hub, version of an embedded model, None for a path.
        root: folder that the files' names are relative to.
        files: names of all files that are read.
        single: whether it is one weight file and not a folder of components.
        variant: variant of the weight files, None for the plain ones.
    """

    role: str
    source: str
    revision: str | None
    root: Path
    files: tuple[str, ...]
    single: bool
    variant: str | None = None

    @property
    def path(self) -> Path:
        """The folder to load from, or the one file."""
        return self.root / self.files[0] if self.single else self.root


@dataclass(frozen=True)
class Artifacts:
    """All files of a run, by role."""

    by_role: Mapping[str, Artifact]

    @property
    def base(self) -> Artifact:
        """The pretrained pipeline."""
        return self.by_role["base"]

    @property
    def base_config(self) -> Artifact | None:
        """The layout of a single-file base; None for a folder."""
        return self.by_role.get("base.config")

    def lora(self, name: str) -> Artifact:
        """The weights of one LoRA."""
        return self.by_role[f"loras.{name}"]

    def __iter__(self) -> Iterator[Artifact]:
        return iter(self.by_role.values())


def resolve(spec: RunSpec, *, half: bool | None = None) -> Artifacts:
    """Find, and where needed download, every file that a run reads.

    Args:
        spec: the run.
        half: whether it computes in half precision; None infers it from the spec.

    Raises:
        ConfigError: naming each part whose source is wrong.
    """
    if half is None:
        half = wants_half(spec)
    found: dict[str, Artifact] = {}
    problems: list[Problem] = []

    def take(role: str, key: str, text: str, find: Callable[[str, Source], Artifact]) -> None:
        try:
            found[role] = find(role, parse(text))
        except SourceError as error:
            message = str(error)
            problems.append(Problem(key, message if text in message else f"'{text}': {message}"))

    base = spec.base
    take("base", "base.source", base.source, lambda role, source: _base(role, source, base, half))
    if "base" in found and found["base"].single:
        if base.config is None:
            problems.append(
                Problem("base.config", "a single-file checkpoint needs the folder or repository it follows")
            )
        else:
            take(
                "base.config",
                "base.config",
                base.config,
                lambda role, source: _base_config(role, source, base),
            )
    for name, lora in spec.loras.items():
        take(f"loras.{name}", f"loras.{name}.source", lora.source, _weights)
    if problems:
        raise ConfigError(problems)
    return Artifacts(found)


def wants_half(spec: RunSpec) -> bool:
    """Say whether a run computes in half precision, as far as the spec alone tells."""
    return spec.runtime.dtype in ("float16", "bfloat16")


def _base(role: str, source: Source, base: BaseModelSpec, half: bool) -> Artifact:
    if _names_file(source):
        return _weights(role, source)
    store = open_store(source)
    index, listing, prefix = _read_index(store, source)
    leave_out = () if base.safety_checker else ("safety_checker",)
    files, variant = layout.pipeline_files(listing, index, half=half, variant=base.variant, leave_out=leave_out)
    names = tuple(prefix + name for name in files)
    root = store.fetch(names)
    return Artifact(role, source.text, store.revision, root / prefix.rstrip("/"), tuple(files), False, variant)


def _base_config(role: str, source: Source, base: BaseModelSpec) -> Artifact:
    """Take a pipeline's configs and tokenizers, without its weights."""
    store = open_store(source)
    _, listing, prefix = _read_index(store, source)
    files = tuple(
        f for f in listing if f.endswith((".json", ".txt", ".model")) and f.count("/") <= 1 and ".index." not in f
    )
    root = store.fetch(tuple(prefix + name for name in files))
    return Artifact(role, source.text, store.revision, root / prefix.rstrip("/"), files, False)


def _read_index(store: Store, source: Source) -> tuple[dict[str, object], tuple[str, ...], str]:
    prefix = f"{source.inside}/" if source.inside else ""
    listing = tuple(name.removeprefix(prefix) for name in store.listing() if name.startswith(prefix))
    if _INDEX not in listing:
        raise SourceError(f"is no diffusers pipeline: it has no {_INDEX}")
    path = store.fetch((prefix + _INDEX,)) / (prefix + _INDEX)
    try:
        index = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise SourceError(f"its {_INDEX} is no JSON: {error}") from None
    if not isinstance(index, dict):
        raise SourceError(f"its {_INDEX} is no mapping")
    return index, listing, prefix


def _weights(role: str, source: Source) -> Artifact:
    store = open_store(source)
    if _names_file(source):
        name = source.inside or Path(source.location).name
        if name.endswith(PICKLES):
            raise SourceError(f"{name} is a pickle, which can run code; safetensors are needed")
        if not name.endswith(SAFETENSORS):
            raise SourceError(f"{name} is no {SAFETENSORS} file")
    else:
        name = layout.single_weights(store.listing(), source.inside)
    root = store.fetch((name,))
    if not (root / name).is_file():
        raise SourceError(f"has no file {name}")
    return Artifact(role, source.text, store.revision, root, (name,), True)


def _names_file(source: Source) -> bool:
    if source.kind == "path":
        return Path(source.location).is_file()
    return source.inside.endswith((SAFETENSORS, *PICKLES))
