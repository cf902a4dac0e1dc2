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
from hydra.core.config_search_path import ConfigSearchPath
from hydra.errors import HydraException
from hydra.plugins.config_source import ConfigResult
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from tcdflow.config.places import within
from tcdflow.errors import ConfigError, Problem
from tcdflow.libraries.hydra import Loader, Repository
from tcdflow.text import joined, reason

TRUSTED = frozenset({"hydra", "main", "schema"})
"""Providers whose files ship with hydra and tcdflow; all others are a user's, or untrusted."""

_PLAIN_INTERPOLATION = re.compile(r"\$\{[^${}:]*\}")
_INTERPOLATION_DEPTH = 4
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
_LONGEST_NUMBER = 64
_NUMBER = re.compile(r"[-+]?[0-9][0-9a-fA-FxobeE_.:+-]*")
MAX_FILE_BYTES = 1_000_000
MAX_DEPTH = 32
MAX_NODES = 20_000


class GuardedRepository(Repository):
    """Hydra's config repository, which refuses files that are more than data and remembers what it read."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.loaded: dict[str, ConfigResult] = {}

    def load_config(self, config_path: str) -> ConfigResult | None:
        """Load a config, unless it comes from a user and is more than data.

        A path that leaves its source is refused: through ``..`` an untrusted file would be read as one of ours.
        """
        if "\\" in config_path or any(part in ("", ".", "..") for part in config_path.split("/")):
            raise ConfigError([Problem("defaults", "a config is named by its group and name alone", config_path)])
        source = next((s for s in self.sources if s.is_config(config_path)), None)
        if source is not None and source.provider not in TRUSTED:
            name = config_path if config_path.endswith(".yaml") else f"{config_path}.yaml"
            root = Path(source.path.removeprefix("file://"))
            _check_place(root / name, root, name)
            _check_file(root / name, name)
        try:
            result = super().load_config(config_path)
        except (yaml.YAMLError, OSError) as error:
            raise _no_yaml(f"{config_path}.yaml", error) from None
        except (HydraException, OmegaConfBaseException, ValueError, TypeError) as error:
            raise ConfigError([Problem(f"{config_path}.yaml", reason(error, 1000))]) from None
        if result is not None:
            self.loaded[config_path] = result
            if not _trusted(result):
                _check_defaults(result, f"{config_path}.yaml")
        return result


def _trusted(result: ConfigResult) -> bool:
    return result.provider in TRUSTED or result.is_schema_source  # what installed Python code has registered


class GuardedLoader(Loader):
    """Hydra's config loader, which looks at each file's content where it lands.

    A file's header and the lists that choose it can put it anywhere, below ``hydra`` too.

    Attributes:
        merged: the files of the latest composition, each where its content lands, later ones winning.
    """

    def __init__(self, search_path: ConfigSearchPath) -> None:
        super().__init__(search_path)
        self.repository: GuardedRepository = GuardedRepository(search_path)
        self.merged: dict[str, ConfigResult] = {}

    def load_configuration(self, *args: Any, **kwargs: Any) -> DictConfig:
        """Compose a config, as Hydra does."""
        self.merged.clear()
        self.repository.loaded.clear()
        return super().load_configuration(*args, **kwargs)

    def merging(self, path: str, result: ConfigResult) -> None:
        """Remember a file, and refuse it if it is more than data where it lands."""
        self.merged[path] = result
        hydras = path == "config" or path.startswith("hydra/")
        _check_data(result, f"{path}.yaml", may_set_hydra=_trusted(result) and hydras)


def _check_place(path: Path, root: Path, shown: str) -> None:
    """Refuse a file that a link takes from elsewhere: whoever wrote the directory must not choose what is read."""
    if not within(path, root):
        raise ConfigError([Problem(shown, "is a link that leads out of its config directory; copy the file there")])


def _check_file(path: Path, shown: str) -> None:
    """Refuse what must not even reach the YAML loader: huge files, tags that build objects, alias bombs."""
    size = path.stat().st_size if path.is_file() else 0
    if size > MAX_FILE_BYTES:
        raise ConfigError([Problem(shown, f"the file has {size} bytes; allowed are {MAX_FILE_BYTES}")])
    try:
        # Event by event: the parser needs minutes for what the first few events already give away.
        events = yaml.parse(path.read_text("utf-8"), Loader=yaml.SafeLoader) if size else iter(())
        if what := next(_suspicious(events), None):
            raise ConfigError([Problem(shown, what)])
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        raise _no_yaml(shown, error) from None


def _suspicious(events: Iterator[yaml.Event]) -> Iterator[str]:
    depth = 0
    for number, event in enumerate(events):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH or number > MAX_NODES:
            yield f"nests deeper than {MAX_DEPTH} or has over {MAX_NODES} nodes"
        if isinstance(event, yaml.AliasEvent):
            yield f"YAML anchors and aliases are not allowed: *{event.anchor}"
        if isinstance(event, yaml.NodeEvent) and (tag := getattr(event, "tag", None)) and tag != "!":
            yield f"YAML tags are not allowed: {tag}"
        if isinstance(event, yaml.ScalarEvent) and event.implicit[0] and _is_huge(event.value):
            yield f"a number of {len(event.value)} characters; quote it if it is text"


def _is_huge(text: str) -> bool:
    """Say whether a plain scalar is a number longer than any setting: some are of base 60, and grow with each digit."""
    return len(text) > _LONGEST_NUMBER and _NUMBER.fullmatch(text) is not None


def _no_yaml(shown: str, error: Exception) -> ConfigError:
    """Say where a file is no YAML, without the lines themselves: they may be another file's, and hold secrets."""
    what = reason(error, 1000)
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        where = f" in line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        what = joined(f"{error.context or ''} {error.problem or ''}{where}")
    elif isinstance(error, yaml.YAMLError | UnicodeDecodeError):
        what = "it holds bytes that are no text"
    elif isinstance(error, OSError):
        what = error.strerror or what
    return ConfigError([Problem(shown, f"is not valid YAML: {what}")])


def _check_data(result: ConfigResult, shown: str, *, may_set_hydra: bool) -> None:
    if not OmegaConf.is_dict(result.config):
        raise ConfigError([Problem(shown, "must hold keys with values")])
    if _trusted(result) and (may_set_hydra or "hydra" not in result.config):
        return
    content = OmegaConf.to_container(result.config, resolve=False)
    problems = [
        Problem(key, what, None if isinstance(value, dict | list) else value, origin=shown)
        for key, value in walk(content)
        if (what := _forbidden_in_file(key, value))
    ]
    if problems:
        raise ConfigError(problems)


_HYDRA_IS_NOT_FOR_FILES = "a config file may not set anything of Hydra's; set it on the command line"


def _forbidden_in_file(key: str, value: object) -> str | None:
    if key.split(".")[0] == "hydra":
        return None if value and isinstance(value, dict) else _HYDRA_IS_NOT_FOR_FILES
    return forbidden(key, value)


def _check_defaults(result: ConfigResult, shown: str) -> None:
    problems = []
    for element in result.defaults_list or ():
        texts = [text for value in vars(element).values() for text in (value if isinstance(value, list) else [value])]
        place = str(getattr(element, "group", None) or getattr(element, "path", None) or "")
        if "hydra" in place.split("/"):
            problems.append(Problem("defaults", "a config file may not choose parts of Hydra", place, origin=shown))
        problems += [Problem("defaults", why, text, shown) for text in texts if (why := forbidden("defaults", text))]
    if problems:
        raise ConfigError(problems)


def forbidden(key: str, value: object) -> str | None:
    """Say why a key or value may not stand in a config, or None if it may."""
    parts = key.split(".")
    if hit := _FORBIDDEN_KEYS.intersection(parts):
        return f"configs are data: '{min(hit)}' would name Python to run"
    if any(f"{key}.".startswith(f"{prefix.rstrip('.')}.") for prefix in _FORBIDDEN_HYDRA):
        return "is not for users to set"
    if isinstance(value, str) and not _interpolates_keys_only(value):
        return "only other keys may be interpolated, as in ${base.size}; resolvers are refused"
    return None


def _interpolates_keys_only(text: str) -> bool:
    """Say whether each ``${`` opens the name of a key; the name of a resolver may itself be interpolated."""
    for _ in range(_INTERPOLATION_DEPTH):
        if "${" not in text:
            return True
        text = _PLAIN_INTERPOLATION.sub("x", text)
    return "${" not in text


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
