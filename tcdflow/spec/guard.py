"""Configs are data: what a YAML may not hold, refused before Hydra acts on it.

Hydra instantiates ``_target_``s below ``hydra.callbacks``, sets variables from ``hydra.job.env_set`` and resolves
``${oc.env:...}`` into saved configs. A config file of tcdflow names no Python, sets nothing of Hydra's and reads
nothing but other keys. The person at the command line may still choose directories and plug-ins.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from hydra._internal.config_repository import ConfigRepository
from hydra.plugins.config_source import ConfigResult
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from tcdflow.errors import ConfigError, Problem

TRUSTED = frozenset({"hydra", "main", "schema"})
"""Providers whose files ship with hydra and tcdflow; all others come from a user, or a stranger."""

_RESOLVER = re.compile(r"\$\{\s*[A-Za-z_][\w.]*\s*:")
_FORBIDDEN_KEYS = frozenset({"_target_", "_args_", "_partial_", "_recursive_", "_convert_"})
_FORBIDDEN_HYDRA = (
    "hydra.callbacks",
    "hydra.job.env_set",
    "hydra.job.env_copy",
    "hydra.job_logging.",
    "hydra.hydra_logging.",
    "hydra.runtime",
    "hydra.output_subdir",
    "hydra.job.chdir",
)
MAX_FILE_BYTES = 1_000_000
MAX_DEPTH = 32
MAX_NODES = 100_000


class GuardedRepository(ConfigRepository):
    """Hydra's config repository, which refuses files that are more than data and remembers what it read."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.loaded: dict[str, ConfigResult] = {}

    def __deepcopy__(self, memo: dict[int, Any]) -> GuardedRepository:
        # Hydra copies the repository for each composition; what was read stays known to the composer.
        copy = GuardedRepository.__new__(GuardedRepository)
        copy.sources = list(self.sources)
        copy.loaded = self.loaded
        return copy

    def load_config(self, config_path: str) -> ConfigResult | None:
        """Load a config, unless it comes from a user and is more than data."""
        source = next((s for s in self.sources if s.is_config(config_path)), None)
        if source is not None and source.provider not in TRUSTED:
            name = config_path if config_path.endswith(".yaml") else f"{config_path}.yaml"
            _check_file(Path(source.path.removeprefix("file://")) / name, config_path)
        result = super().load_config(config_path)
        if result is not None:
            self.loaded[config_path] = result
            if result.provider not in TRUSTED:
                _check_data(result, config_path)
        return result


def _check_file(path: Path, shown: str) -> None:
    """Refuse what must not even reach the YAML loader: huge files, tags that build objects, alias bombs."""
    size = path.stat().st_size if path.is_file() else 0
    if size > MAX_FILE_BYTES:
        raise ConfigError([Problem(shown, f"the file has {size} bytes; allowed are {MAX_FILE_BYTES}")])
    try:
        events = list(yaml.parse(path.read_text("utf-8"), Loader=yaml.SafeLoader)) if size else []
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError([Problem(shown, f"is no valid YAML: {reason}", origin=path.name)]) from None
    depth = deepest = 0
    for event in events:
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            deepest = max(deepest, depth)
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if isinstance(event, yaml.AliasEvent):
            raise ConfigError([Problem(shown, "YAML anchors and aliases are not allowed", event.anchor, path.name)])
        tag = getattr(event, "tag", None)
        if tag and not getattr(event, "implicit", None):
            raise ConfigError([Problem(shown, "YAML tags are not allowed", tag, path.name)])
    if deepest > MAX_DEPTH or len(events) > MAX_NODES:
        raise ConfigError([Problem(shown, f"nests deeper than {MAX_DEPTH} or has over {MAX_NODES} nodes")])


def _check_data(result: ConfigResult, shown: str) -> None:
    package = result.header.get("package") or ""
    try:
        content = OmegaConf.to_container(result.config, resolve=False)
    except OmegaConfBaseException as error:
        raise ConfigError([Problem(shown, str(error).splitlines()[0])]) from None
    problems = [
        Problem(key, what, value, origin=shown)
        for key, value in walk(content)
        if (what := _forbidden_in_file(f"{package}.{key}" if package not in ("", "_global_") else key, value))
    ]
    if result.defaults_list:
        problems += [
            Problem("defaults", "a config file may not choose parts of Hydra", str(element), origin=shown)
            for element in result.defaults_list
            if "hydra" in (str(getattr(element, "group", "") or getattr(element, "path", "") or "")).split("/")
        ]
    if problems:
        raise ConfigError(problems)


def _forbidden_in_file(key: str, value: object) -> str | None:
    if key.split(".")[0] == "hydra":
        return "a config file may not set anything of Hydra's; say it on the command line"
    return forbidden(key, value)


def forbidden(key: str, value: object) -> str | None:
    """Say why a key or value may not stand in a config, or None if it may."""
    parts = key.split(".")
    if hit := _FORBIDDEN_KEYS.intersection(parts):
        return f"configs are data: '{min(hit)}' would name Python to run"
    if any(f"{key}.".startswith(f"{prefix.rstrip('.')}.") for prefix in _FORBIDDEN_HYDRA):
        return "is not for users to set"
    if isinstance(value, str) and _RESOLVER.search(value):
        return "only other keys may be interpolated, as in ${base.size}; resolvers are refused"
    return None


def walk(node: object, prefix: str = "") -> Iterator[tuple[str, object]]:
    """Yield each dotted key of nested mappings and lists with its value."""
    items: Iterator[tuple[object, object]]
    if isinstance(node, dict):
        items = iter(node.items())
    elif isinstance(node, list):
        items = iter(enumerate(node))
    else:
        return
    for name, value in items:
        key = f"{prefix}.{name}" if prefix else str(name)
        yield key, value
        yield from walk(value, key)
